package postgres

import "github.com/latchkey-go/latchkey/store/internal/sqldb"

// Dialect is what Open uses.
func (o Options) Dialect() (sqldb.Dialect, error) { return o.dialect() }
