package sqlite

// Dialect is what Open uses.
var Dialect = dialect
