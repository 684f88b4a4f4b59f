package dburl

import (
	"context"
	"database/sql/driver"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// hedgeDelay is how long a host has to accept a connection before the next host is tried as
	// well. It is well below the second that a statement and its connection have, so that a hanging
	// host does not use that up.
	hedgeDelay = 200 * time.Millisecond
	// searchTimeout bounds the search for another server. The next failure starts a new one.
	searchTimeout = time.Second
	// readOnly is the SQLSTATE of a change on a read-only server.
	readOnly = "25006"
)

// connector creates the connections of a pool for PostgreSQL. It adds failover to the driver. If a
// host hangs, it connects to another. If the pool's server becomes read-only or does not answer,
// and another server has taken its place, the pool closes all old connections at once instead of
// trying each.
type connector struct {
	hosts []driver.Connector // one for each host of the URL, in its order
	first atomic.Int64       // the host that is tried first
	// generation counts the failovers to another server. Connections of an earlier generation are
	// not reused.
	generation atomic.Int64
	searching  atomic.Bool

	searchCtx      context.Context // ends the searches
	cancelSearches context.CancelFunc
}

func newConnector(config *pgx.ConnConfig) *connector {
	c := &connector{}
	c.searchCtx, c.cancelSearches = context.WithCancel(context.Background())
	for _, host := range hosts(config) {
		c.hosts = append(c.hosts, stdlib.GetConnector(*host, stdlib.OptionBeforeConnect(c.watch)))
	}
	return c
}

// hosts returns a configuration for each host. A host may have several entries, with and without
// TLS.
func hosts(config *pgx.ConnConfig) []*pgx.ConnConfig {
	all := []*pgx.ConnConfig{config.Copy()}
	all[0].Fallbacks = nil
	for _, f := range config.Fallbacks {
		if last := all[len(all)-1]; f.Host == last.Host && f.Port == last.Port {
			last.Fallbacks = append(last.Fallbacks, f)
			continue
		}
		next := config.Copy()
		next.Host, next.Port, next.TLSConfig, next.Fallbacks = f.Host, f.Port, f.TLSConfig, nil
		all = append(all, next)
	}
	return all
}

// watch makes a new connection start a search if its server refuses a change.
func (c *connector) watch(_ context.Context, config *pgx.ConnConfig) error {
	generation, next := c.generation.Load(), config.OnPgError
	config.OnPgError = func(server *pgconn.PgConn, e *pgconn.PgError) bool {
		if e.Code == readOnly {
			c.search(generation, server.Conn().RemoteAddr())
		}
		return next(server, e)
	}
	return nil
}

// Driver implements driver.Connector.
func (c *connector) Driver() driver.Driver { return c.hosts[0].Driver() }

// Connect implements driver.Connector.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	found, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	return found, nil
}

// connect tries the next host when one fails or has not answered within hedgeDelay. A host that
// failed is no longer the first to be tried. A slow host stays first: the pool must not leave a
// busy primary for an idle old one.
func (c *connector) connect(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	type answer struct {
		host int
		conn driver.Conn
		err  error
	}
	generation, first := c.generation.Load(), int(c.first.Load())
	answers := make(chan answer, len(c.hosts))
	tried, pending, refused := 0, 0, false
	tryNext := func() {
		host := (first + tried) % len(c.hosts)
		tried, pending = tried+1, pending+1
		go func() {
			taken, err := c.hosts[host].Connect(ctx)
			answers <- answer{host, taken, err}
		}()
	}
	defer func() {
		cancel()
		for range pending { // close a connection that comes too late
			go func() {
				if late := <-answers; late.err == nil {
					_ = late.conn.Close()
				}
			}()
		}
	}()
	tryNext()
	hedge := time.NewTicker(hedgeDelay)
	defer hedge.Stop()
	var errs error
	for pending > 0 {
		select {
		case <-hedge.C:
			if tried < len(c.hosts) {
				tryNext()
			}
		case a := <-answers:
			pending--
			if a.err == nil {
				if refused {
					c.first.CompareAndSwap(int64(first), int64(a.host))
				}
				return &conn{Conn: a.conn.(*stdlib.Conn), from: c, host: a.host, generation: generation}, nil
			}
			refused = refused || a.host == first
			if errs == nil {
				errs = a.err
			} else {
				errs = fmt.Errorf("%w; %w", errs, a.err) // on one line
			}
			if tried < len(c.hosts) {
				tryNext()
			}
		}
	}
	return nil, errs
}

// search looks for another server than the one at address, which no longer serves a connection of
// that generation. If it finds one, it ends the generation.
func (c *connector) search(generation int64, address net.Addr) {
	if generation != c.generation.Load() || !c.searching.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer c.searching.Store(false)
		ctx, cancel := context.WithTimeout(c.searchCtx, searchTimeout)
		defer cancel()
		found, err := c.connect(ctx)
		if err != nil {
			return
		}
		defer found.Close()
		if found.address().String() != address.String() {
			c.first.Store(int64(found.host))
			c.generation.CompareAndSwap(generation, generation+1)
		}
	}()
}

// Close implements io.Closer. The pool calls it when it is closed.
func (c *connector) Close() error {
	c.cancelSearches()
	return nil
}

// conn is a connection with its connector.
type conn struct {
	*stdlib.Conn
	from       *connector
	host       int
	generation int64
}

func (c *conn) address() net.Addr { return c.Conn.Conn().PgConn().Conn().RemoteAddr() }

// IsValid implements driver.Validator. The pool calls it when a connection is returned.
func (c *conn) IsValid() bool {
	if c.Conn.Conn().IsClosed() { // it broke, or a statement was cancelled
		c.failed()
		return false
	}
	return c.generation == c.from.generation.Load()
}

// ResetSession implements driver.SessionResetter. The pool calls it before it reuses the
// connection.
func (c *conn) ResetSession(ctx context.Context) error {
	if c.generation != c.from.generation.Load() {
		return driver.ErrBadConn
	}
	err := c.Conn.ResetSession(ctx)
	if err != nil {
		c.failed()
	}
	return err
}

// failed starts a search for another server if the URL names several hosts.
func (c *conn) failed() {
	if len(c.from.hosts) > 1 {
		c.from.search(c.generation, c.address())
	}
}
