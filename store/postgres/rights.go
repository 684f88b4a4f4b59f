package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey-go/latchkey/store/internal/sqldb"
)

// need is a right on a table, and its purpose. docs/operations.md lists the same as GRANT
// statements.
type need struct{ table, right, purpose string }

const (
	forRead  = "read"
	forWrite = "write"
	forPrune = "prune"
	forRaise = "raise"
)

var needs = []need{
	{"latchkey_version", "SELECT", forRead},
	{"latchkey_key", "SELECT", forRead},
	{"latchkey_event", "SELECT", forRead},
	{"latchkey_feed", "SELECT", forRead},
	{"latchkey_key", "INSERT", forWrite},
	{"latchkey_key", "UPDATE", forWrite},
	{"latchkey_key", "DELETE", forWrite},
	{"latchkey_event", "INSERT", forWrite},
	{"latchkey_feed", "UPDATE", forWrite},
	{"latchkey_member", "SELECT", forWrite},
	{"latchkey_member", "INSERT", forWrite},
	{"latchkey_member", "UPDATE", forWrite},
	{"latchkey_member", "DELETE", forWrite},
	{"latchkey_event", "DELETE", forPrune},
	{"latchkey_version", "UPDATE", forRaise},
}

// rightsSQL reads catalogs only, which every role may. Names are returned quoted, ready for a
// statement. The schema is the one that has the tables, or else the one in which they would be
// created. A right on a column counts as one on its table, except for DELETE, which does not exist
// for columns.
const rightsSQL = `WITH path AS MATERIALIZED (
		SELECT n.oid, n.nspname, p.at, has_schema_privilege(n.oid, 'USAGE') AS usage, has_schema_privilege(n.oid, 'CREATE') AS make
		FROM (%s) AS p (name, at) JOIN pg_namespace n ON n.nspname = p.name),
	home AS MATERIALIZED (
		SELECT path.*, v.relowner FROM path
		LEFT JOIN pg_class v ON v.relnamespace = path.oid AND v.relname = 'latchkey_version' AND v.relkind IN ('r', 'p')
		ORDER BY v.oid IS NULL, NOT path.usage, path.at LIMIT 1),
	missing AS (
		SELECT need.name || ' ' || need.allowed AS what, need.at
		FROM home, (VALUES %s) AS need (name, allowed, at)
		LEFT JOIN pg_class t ON t.relnamespace = (SELECT oid FROM home) AND t.relname = need.name
		WHERE NOT coalesce(CASE need.allowed WHEN 'DELETE' THEN has_table_privilege(t.oid, 'DELETE')
			ELSE has_any_column_privilege(t.oid, need.allowed) END, false))
	SELECT quote_ident(current_user), quote_ident(current_database()), current_setting('search_path'),
		coalesce(quote_ident((SELECT nspname FROM home)), ''), coalesce((SELECT usage FROM home), false),
		coalesce((SELECT make FROM home), false), coalesce(quote_ident(pg_get_userbyid((SELECT relowner FROM home))), ''),
		coalesce((SELECT pg_has_role(relowner, 'USAGE') FROM home), false),
		coalesce((SELECT string_agg(what, ',' ORDER BY at) FROM missing), ''),
		pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'`

// searchPath is the search path of the connection as a table, including schemas that the role may
// not use.
const searchPath = `SELECT replace(btrim(name, ' "'), '$user', current_user), at
	FROM unnest(string_to_array(current_setting('search_path'), ',')) WITH ORDINALITY AS names (name, at)`

// role describes the role of a connection.
type role struct {
	name, database, searchPath string
	schema                     string // "": none exists
	usage, create              bool   // on schema
	owner                      string // of the tables; "": no tables exist
	owns                       bool   // the role is that owner, or a member of it
	missing                    []need
	replica, readOnly          bool
}

// rights returns a Dialect.Rights for the tables of a schema, or, for "", of the search path.
func rights(schema string) func(context.Context, sqldb.RowQuerier) (sqldb.MissingRights, error) {
	path := searchPath
	if schema != "" {
		path = `SELECT '` + schema + `', 1`
	}
	var values []string
	for i, n := range needs {
		values = append(values, fmt.Sprintf("('%s', '%s', %d)", n.table, n.right, i))
	}
	query := fmt.Sprintf(rightsSQL, path, strings.Join(values, ", "))
	return func(ctx context.Context, db sqldb.RowQuerier) (sqldb.MissingRights, error) {
		var r role
		var missing string
		if err := db.QueryRowContext(ctx, query).Scan(&r.name, &r.database, &r.searchPath, &r.schema, &r.usage, &r.create,
			&r.owner, &r.owns, &missing, &r.replica, &r.readOnly); err != nil {
			return sqldb.MissingRights{}, err
		}
		for _, n := range needs {
			if slices.Contains(strings.Split(missing, ","), n.table+" "+n.right) {
				r.missing = append(r.missing, n)
			}
		}
		return sqldb.MissingRights{
			Migrate: r.missingToMigrate(cmp.Or(schema, r.schema)),
			Read:    r.missingFor(forRead),
			Write:   r.missingToWrite(),
			Prune:   r.missingFor(forPrune),
			Raise:   r.missingFor(forRaise),
		}, nil
	}
}

// missingToMigrate returns the missing right to migrate. wanted is the schema of the tables.
func (r role) missingToMigrate(wanted string) string {
	switch {
	case r.schema == "" && wanted == "":
		return fmt.Sprintf("database %s has no schema of the search_path (%s) of role %s. "+
			"Create one: CREATE SCHEMA %[3]s AUTHORIZATION %[3]s;", r.database, r.searchPath, r.name)
	case r.schema == "":
		return fmt.Sprintf("role %s may not create schema %s in database %s. %s CREATE SCHEMA %s AUTHORIZATION %[1]s;",
			r.name, wanted, r.database, migrateHint, wanted)
	case r.owner != "" && !r.owns:
		return fmt.Sprintf("the tables need a migration, and role %s may not change them: they belong to role %s. "+
			"Run latchkey migrate with that role, or: GRANT %[2]s TO %[1]s;", r.name, r.owner)
	case !r.usage || !r.create:
		return fmt.Sprintf("role %s may not create tables in schema %s of database %s. %s GRANT USAGE, CREATE ON SCHEMA %[2]s TO %[1]s;",
			r.name, r.schema, r.database, migrateHint)
	}
	return ""
}

const migrateHint = "Run latchkey migrate with a role that may, or:"

// missingToWrite returns the missing rights to write. A read-only database comes first, because no
// right would help there.
func (r role) missingToWrite() string {
	switch {
	case r.replica:
		return fmt.Sprintf("database %s is a replica, which takes no changes. The URL must lead to the primary", r.database)
	case r.readOnly:
		return fmt.Sprintf("database %s takes no changes from role %s: default_transaction_read_only is on. "+
			"If that is not intended: ALTER ROLE %[2]s SET default_transaction_read_only = off; or the same with ALTER DATABASE %[1]s",
			r.database, r.name)
	}
	return r.missingFor(forWrite)
}

// missingFor returns the missing rights for a purpose.
func (r role) missingFor(purpose string) string {
	if r.owner == "" { // no tables exist yet
		return ""
	}
	var lacks, grants []string
	if !r.usage && purpose == forRead {
		lacks = append(lacks, "USAGE on schema "+r.schema)
		grants = append(grants, fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO %s;", r.schema, r.name))
	}
	for _, right := range []string{"SELECT", "INSERT", "UPDATE", "DELETE"} {
		var tables []string
		for _, n := range r.missing {
			if n.purpose == purpose && n.right == right {
				tables = append(tables, r.schema+"."+n.table)
			}
		}
		if len(tables) > 0 {
			lacks = append(lacks, right+" on "+strings.Join(tables, ", "))
			grants = append(grants, fmt.Sprintf("GRANT %s ON %s TO %s;", right, strings.Join(tables, ", "), r.name))
		}
	}
	if len(lacks) == 0 {
		return ""
	}
	return fmt.Sprintf("in database %s role %s lacks %s. As role %s: %s",
		r.database, r.name, strings.Join(lacks, ", and "), r.owner, strings.Join(grants, " "))
}

// errorHints explain the errors whose cause is not the statement.
func (o Options) errorHints() map[string]sqldb.ErrorHint {
	name, database := quoted(cmp.Or(o.Role, "ROLE")), quoted(cmp.Or(o.Database, "DATABASE"))
	pooler := sqldb.ErrorHint{Hint: "Behind PgBouncer or another pooler in transaction mode, " +
		"add default_query_exec_mode=exec to the URL"}
	return map[string]sqldb.ErrorHint{
		"28P01": {Final: true, Hint: "There is no such role, or the password is wrong. Correct the URL, or: " +
			"ALTER ROLE " + name + " PASSWORD '…';"},
		"28000": {Final: true, Hint: "The server refuses this role from this host. It needs a line in pg_hba.conf, and: " +
			"CREATE ROLE " + name + " LOGIN PASSWORD '…'; or, if the role exists, ALTER ROLE " + name + " LOGIN;"},
		"3D000": {Final: true, Hint: "Correct the database's name in the URL, or create it: CREATE DATABASE " + database + ";"},
		"42501": {Final: true, Hint: "The right to connect is missing: GRANT CONNECT ON DATABASE " + database + " TO " + name + "; " +
			"docs/operations.md lists all of them"},
		"42704": {Final: true, Hint: "The URL contains a setting that the server does not know"},
		"22023": {Final: true, Hint: "The URL contains a setting whose value the server refuses"},
		"25006": {Hint: "The database takes no changes now: it is a replica, or default_transaction_read_only is on"},
		"53300": {Hint: "The server, the database or the role takes no more connections. Raise max_connections or CONNECTION LIMIT, " +
			"or make the pools smaller: pool_max_conns in the URL"},
		"26000": pooler, "42P05": pooler,
	}
}

// quoted returns a name as an SQL identifier.
func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
