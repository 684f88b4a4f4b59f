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
	// headStart is how long a host has to take a connection before the next one is tried as well.
	// It is well below the second that a statement has, with its connection: a host that hangs must
	// not use that up.
	headStart = 200 * time.Millisecond
	// searchWithin bounds the search for another server. What led to it leads to the next.
	searchWithin = time.Second
	// readOnly is the SQLSTATE of a change on a server that takes none.
	readOnly = "25006"
)

// connector makes the connections of a pool for PostgreSQL. What it adds to the driver's is for a
// fail-over. A host that hangs does not keep connections from being made to another, and when the
// pool's server takes no changes any more, or does not answer, and another one is found in its
// place, the pool lets go of all its old connections instead of trying them one after the other.
type connector struct {
	hosts []driver.Connector // one for each host of the URL, in its order
	first atomic.Int64       // the host that is asked first
	// generation counts how often another server was found. Connections of an earlier one are not
	// used again.
	generation atomic.Int64
	searching  atomic.Bool

	life context.Context // of searches
	end  context.CancelFunc
}

func newConnector(config *pgx.ConnConfig) *connector {
	c := &connector{}
	c.life, c.end = context.WithCancel(context.Background())
	for _, host := range hosts(config) {
		c.hosts = append(c.hosts, stdlib.GetConnector(*host, stdlib.OptionBeforeConnect(c.watch)))
	}
	return c
}

// hosts returns a configuration for each host. A host can have several entries, with TLS and
// without.
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

// watch has a connection that is about to be made report a change that its server did not take.
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

// connect asks the next host when one refuses, or has not answered within headStart. A host that
// refused is not the first one to be asked any more. One that is slow stays it: a primary that is
// busy must not be left for an old one that is not.
func (c *connector) connect(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	type answer struct {
		host int
		conn driver.Conn
		err  error
	}
	generation, first := c.generation.Load(), int(c.first.Load())
	answers := make(chan answer, len(c.hosts))
	asked, open, refused := 0, 0, false
	ask := func() {
		host := (first + asked) % len(c.hosts)
		asked, open = asked+1, open+1
		go func() {
			taken, err := c.hosts[host].Connect(ctx)
			answers <- answer{host, taken, err}
		}()
	}
	defer func() {
		cancel()
		for range open { // of which one may be a connection that comes too late
			go func() {
				if late := <-answers; late.err == nil {
					_ = late.conn.Close()
				}
			}()
		}
	}()
	ask()
	impatient := time.NewTicker(headStart)
	defer impatient.Stop()
	var errs error
	for open > 0 {
		select {
		case <-impatient.C:
			if asked < len(c.hosts) {
				ask()
			}
		case a := <-answers:
			open--
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
				errs = fmt.Errorf("%w; %w", errs, a.err) // in one line
			}
			if asked < len(c.hosts) {
				ask()
			}
		}
	}
	return nil, errs
}

// search looks for another server than the one at address, which no longer serves a connection of a
// generation. If one is found, that generation is over.
func (c *connector) search(generation int64, address net.Addr) {
	if generation != c.generation.Load() || !c.searching.CompareAndSwap(false, true) {
		return
	}
	go func() {
		defer c.searching.Store(false)
		ctx, cancel := context.WithTimeout(c.life, searchWithin)
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

// Close is called by the pool when it is closed.
func (c *connector) Close() error {
	c.end()
	return nil
}

// conn is a connection that knows its connector.
type conn struct {
	*stdlib.Conn
	from       *connector
	host       int
	generation int64
}

func (c *conn) address() net.Addr { return c.Conn.Conn().PgConn().Conn().RemoteAddr() }

// IsValid implements driver.Validator: it is asked when the pool gets the connection back.
func (c *conn) IsValid() bool {
	if c.Conn.Conn().IsClosed() { // it broke, or a statement was given up
		c.lost()
		return false
	}
	return c.generation == c.from.generation.Load()
}

// ResetSession implements driver.SessionResetter: it is asked before the pool uses the connection
// again.
func (c *conn) ResetSession(ctx context.Context) error {
	if c.generation != c.from.generation.Load() {
		return driver.ErrBadConn
	}
	err := c.Conn.ResetSession(ctx)
	if err != nil {
		c.lost()
	}
	return err
}

// lost has another server looked for, if the URL names several: where it names one, there is
// nothing to choose.
func (c *conn) lost() {
	if len(c.from.hosts) > 1 {
		c.from.search(c.generation, c.address())
	}
}
