// Package migrations holds the schema of the database, step by step, once per engine.
//
// A step is a file NNNN_name.sql that only adds: servers of the version before go on working on the
// schema after it (a rolling upgrade), and no step is ever changed or taken back. The store applies
// what is missing when it opens, one server at a time.
//
// Every primary key of a table that grows begins with the merchant, so that an engine can spread
// the tables by it.
package migrations

import "embed"

// Postgres holds the steps for PostgreSQL, in the folder postgres.
//
//go:embed postgres/*.sql
var Postgres embed.FS

// SQLite holds the steps for SQLite, in the folder sqlite.
//
//go:embed sqlite/*.sql
var SQLite embed.FS
