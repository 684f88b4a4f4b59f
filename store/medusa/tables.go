package medusa

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/latchkey-go/latchkey/store"
)

// tables reads two tables of Medusa 2: api_key, and the link table
// publishable_api_key_sales_channel.
type tables struct {
	db     *sql.DB
	schema string
}

func (t tables) name(table string) string {
	if t.schema == "" {
		return table
	}
	return `"` + strings.ReplaceAll(t.schema, `"`, `""`) + `".` + table
}

// row is one row of api_key, with its linked channels.
type row struct {
	id, token, salt, redacted, title, typ, createdBy string
	revokedBy                                        sql.NullString
	lastUsedAt, revokedAt, deletedAt                 sql.NullTime
	createdAt, updatedAt                             sql.NullTime
	infinite                                         bool // one of its times is infinite; that time is NULL here
	channels                                         []string
}

// startAt is the condition for the rows after the id $1. With first it includes that id, because
// the first row's id may be empty.
func startAt(first bool) string {
	if first {
		return `id COLLATE "C" >= $1`
	}
	return `id COLLATE "C" > $1`
}

func (t tables) count(ctx context.Context, after string) (n int, err error) {
	err = t.db.QueryRowContext(ctx, `SELECT count(*) FROM `+t.name("api_key")+` WHERE `+startAt(after == ""), after).Scan(&n)
	return n, err
}

// page returns up to limit rows with an id greater than after, in the byte order of their ids. With
// first it starts at the first row.
func (t tables) page(ctx context.Context, after string, first bool, limit int) ([]row, error) {
	finite := func(column string) string { return `CASE WHEN isfinite(` + column + `) THEN ` + column + ` END` }
	rows, err := t.db.QueryContext(ctx, `SELECT id, coalesce(token, ''), coalesce(salt, ''), coalesce(redacted, ''), coalesce(title, ''), coalesce(type, ''),
		coalesce(created_by, ''), revoked_by, `+finite("last_used_at")+`, `+finite("created_at")+`, `+finite("updated_at")+`, `+finite("revoked_at")+`, `+finite("deleted_at")+`,
		NOT (coalesce(isfinite(last_used_at), true) AND coalesce(isfinite(created_at), true) AND coalesce(isfinite(updated_at), true)
			AND coalesce(isfinite(revoked_at), true) AND coalesce(isfinite(deleted_at), true))
		FROM `+t.name("api_key")+` WHERE `+startAt(first)+` ORDER BY id COLLATE "C" LIMIT $2`, after, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var page []row
	at := make(map[string]int)
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.id, &r.token, &r.salt, &r.redacted, &r.title, &r.typ, &r.createdBy, &r.revokedBy,
			&r.lastUsedAt, &r.createdAt, &r.updatedAt, &r.revokedAt, &r.deletedAt, &r.infinite); err != nil {
			return nil, err
		}
		at[r.id] = len(page)
		page = append(page, r)
	}
	if err := rows.Err(); err != nil || len(page) == 0 {
		return nil, err
	}
	return page, t.link(ctx, page, at)
}

// link adds the sales channels of the keys of a page.
func (t tables) link(ctx context.Context, page []row, at map[string]int) error {
	links, err := t.db.QueryContext(ctx, `SELECT publishable_key_id, sales_channel_id FROM `+t.name("publishable_api_key_sales_channel")+`
		WHERE deleted_at IS NULL AND publishable_key_id COLLATE "C" >= $1 AND publishable_key_id COLLATE "C" <= $2
		ORDER BY publishable_key_id, created_at, sales_channel_id`, page[0].id, page[len(page)-1].id)
	if err != nil {
		return fmt.Errorf("reading the sales channels of keys: %w", err)
	}
	defer links.Close()
	for links.Next() {
		var key, channel string
		if err := links.Scan(&key, &channel); err != nil {
			return err
		}
		if i, ok := at[key]; ok {
			page[i].channels = append(page[i].channels, channel)
		}
	}
	return links.Err()
}

// key converts the row to an imported key. The error is the reason why that is impossible.
func (r row) key() (store.ImportKey, error) {
	if r.infinite {
		return store.ImportKey{}, errors.New("one of its times is infinite")
	}
	if r.deletedAt.Valid {
		return store.ImportKey{}, errors.New("it is deleted in Medusa")
	}
	in := store.ImportKey{Key: store.Key{
		ID: r.id, Type: store.Type(r.typ), Title: r.title, Redacted: r.redacted,
		CreatedBy: r.createdBy, CreatedAt: store.TimeOf(r.createdAt.Time), UpdatedAt: store.TimeOf(r.updatedAt.Time),
		RevokedAt: store.TimeOf(r.revokedAt.Time), RevokedBy: r.revokedBy.String, LastUsedAt: store.TimeOf(r.lastUsedAt.Time),
	}}
	switch in.Key.Type {
	case store.Publishable:
		in.Token = r.token
		in.Key.SalesChannelIDs = r.channels
	case store.Secret:
		hash, err := hex.DecodeString(r.token)
		if err != nil {
			return store.ImportKey{}, errors.New("its token is not the hexadecimal text of a scrypt hash")
		}
		in.Salt, in.Hash = r.salt, hash
	}
	return in, nil
}
