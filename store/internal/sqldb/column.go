package sqldb

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/latchkey-go/latchkey/store"
)

// The types of this file implement sql.Scanner for the fields of a record. A pointer to a field is
// converted to a pointer to one of these types, so that no value is copied twice. They accept NULL,
// which a left join returns for every column.

type text string

func (t *text) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*t = ""
	case string:
		*t = text(v)
	case []byte:
		*t = text(v)
	default:
		return unexpected("text", src)
	}
	return nil
}

type number int64

func (n *number) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*n = 0
	case int64:
		*n = number(v)
	default:
		return unexpected("a number", src)
	}
	return nil
}

// count is a number in a field of type int.
type count int

func (c *count) Scan(src any) error {
	var n number
	err := n.Scan(src)
	*c = count(n)
	return err
}

// flag is a boolean, which SQLite stores as 0 or 1.
type flag bool

func (f *flag) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*f = false
	case bool:
		*f = flag(v)
	case int64:
		*f = v != 0
	default:
		return unexpected("a boolean", src)
	}
	return nil
}

// moment is a time: a timestamp in PostgreSQL, Unix milliseconds in SQLite.
type moment store.Time

func (m *moment) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*m = moment{}
	case time.Time:
		*m = moment(store.TimeOf(v))
	case int64:
		*m = moment(store.TimeOf(time.UnixMilli(v)))
	default:
		return unexpected("a time", src)
	}
	return nil
}

type blob []byte

func (b *blob) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*b = nil
	case []byte:
		*b = append(blob(nil), v...) // the driver reuses v
	default:
		return unexpected("bytes", src)
	}
	return nil
}

type lookupID store.LookupID

func (id *lookupID) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*id = lookupID{}
	case []byte:
		if len(v) != len(id) {
			return fmt.Errorf("a lookup id must have %d bytes, got %d", len(id), len(v))
		}
		copy(id[:], v)
	default:
		return unexpected("bytes", src)
	}
	return nil
}

// list is a JSON list of texts; NULL is nil.
type list []string

func (l *list) Scan(src any) error {
	*l = nil
	return scanJSON(src, (*[]string)(l))
}

// names is a list of names. A key with an unknown name is refused. So a text that is not a list is
// read as an unknown name: only that key is refused, and a list of keys does not fail.
type names []string

func (n *names) Scan(src any) error {
	*n = nil
	if err := scanJSON(src, (*[]string)(n)); err != nil {
		*n = names{"(unreadable)"}
	}
	return nil
}

// prefixes is a JSON list of networks in CIDR notation.
type prefixes []netip.Prefix

func (p *prefixes) Scan(src any) error {
	*p = nil
	return scanJSON(src, (*[]netip.Prefix)(p))
}

// textMap is a JSON object of texts; NULL is nil.
type textMap map[string]string

func (m *textMap) Scan(src any) error {
	*m = nil
	return scanJSON(src, (*map[string]string)(m))
}

func scanJSON(src, to any) error {
	switch v := src.(type) {
	case nil:
		return nil
	case string:
		return json.Unmarshal([]byte(v), to)
	case []byte:
		return json.Unmarshal(v, to)
	default:
		return unexpected("JSON", src)
	}
}

func unexpected(want string, got any) error {
	return fmt.Errorf("column contains %T, want %s", got, want)
}

// value returns the argument for the value of a target.
func (d *Dialect) value(target any, nullable bool) any {
	switch t := target.(type) {
	case *text:
		if nullable {
			return orNull(string(*t))
		}
		return string(*t)
	case *number:
		return int64(*t)
	case *count:
		return int64(*t)
	case *flag:
		return bool(*t)
	case *moment:
		return d.time(store.Time(*t))
	case *blob:
		return bytesOrNull(*t)
	case *lookupID:
		return lookupArg(store.LookupID(*t))
	case *list:
		return jsonList(*t)
	case *names:
		return jsonList(*t)
	case *prefixes:
		return jsonList(*t)
	case *textMap:
		return jsonMap(*t)
	}
	panic(fmt.Sprintf("sqldb: no column holds %T", target))
}

// jsonList returns the argument for a list: NULL for nil.
func jsonList[T any](l []T) any {
	if l == nil {
		return nil
	}
	return mustJSON(l)
}

// jsonMap returns the argument for a map: NULL for nil.
func jsonMap(m map[string]string) any {
	if m == nil {
		return nil
	}
	return mustJSON(m)
}

// mustJSON encodes texts, numbers and networks, and lists and maps of them. These never fail.
func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// orNull returns the argument for a text that is NULL when it is empty.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// bytesOrNull returns the argument for bytes that are NULL when there are none.
func bytesOrNull(b []byte) any {
	if len(b) == 0 {
		return nil
	}
	return b
}

// lookupArg returns the argument for a lookup id: NULL for none.
func lookupArg(id store.LookupID) any {
	if id.IsZero() {
		return nil
	}
	return id[:]
}

// storable reports whether every database can store s unchanged. PostgreSQL accepts neither NUL nor
// invalid UTF-8, and JSON would silently replace the latter. A text that is not storable is an
// error when written and matches nothing when queried.
func storable(s string) bool {
	return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

// readTexts reads all rows of one text column and closes them.
func readTexts(rows *sql.Rows) (texts []string, err error) {
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		texts = append(texts, s)
	}
	return texts, rows.Err()
}
