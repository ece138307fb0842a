package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // The driver of database/sql.
)

// sqliteSpec says how long the bare loop runs, and where.
type sqliteSpec struct {
	Dir       string
	Warm, For time.Duration
}

// bareSQLite writes the rows of a create one after the other, each create in a transaction of its own,
// in the journal mode and with the durability of the server.
func bareSQLite(ctx context.Context, spec sqliteSpec) (_ loadResult, err error) {
	dir, err := os.MkdirTemp(spec.Dir, "bare-")
	if err != nil {
		return loadResult{}, err
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "bare.db")+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(ON)")
	if err != nil {
		return loadResult{}, err
	}
	defer func() { err = errors.Join(err, db.Close(), os.RemoveAll(dir)) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return loadResult{}, err
	}
	schema, err := scripts.ReadFile("scripts/sqlite_schema.sql")
	if err == nil {
		_, err = conn.ExecContext(ctx, string(schema))
	}
	if err != nil {
		return loadResult{}, fmt.Errorf("make the tables: %w", err)
	}
	statements, err := prepareInserts(ctx, conn)
	if err != nil {
		return loadResult{}, err
	}
	t := &tally{}
	from := time.Now().Add(spec.Warm)
	c := &course{from: from, until: from.Add(spec.For)}
	for i := 0; ; i++ {
		began := time.Now()
		if !began.Before(c.until) {
			return sum([]*tally{t}), nil
		}
		if err := insertBare(ctx, conn, statements, i); err != nil {
			return loadResult{}, err
		}
		c.note(t, began, time.Now())
	}
}

// prepareInserts prepares BEGIN, the inserts of the committed script, and COMMIT.
func prepareInserts(ctx context.Context, conn *sql.Conn) ([]*sql.Stmt, error) {
	script, err := scripts.ReadFile("scripts/sqlite_create.sql")
	if err != nil {
		return nil, err
	}
	var statements []*sql.Stmt
	for text := range strings.SplitSeq(string(script), ";\n") {
		if strings.TrimSpace(text) == "" {
			continue
		}
		statement, err := conn.PrepareContext(ctx, text) //nolint:sqlclosecheck // The end of the database closes it.
		if err != nil {
			return nil, fmt.Errorf("prepare: %w", err)
		}
		statements = append(statements, statement)
	}
	return statements, nil
}

// insertBare writes the rows of one create.
func insertBare(ctx context.Context, conn *sql.Conn, statements []*sql.Stmt, i int) error {
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	var hash [32]byte
	_, _ = rand.Read(hash[:])
	for _, s := range statements {
		if _, err := s.ExecContext(ctx, sql.Named("n", 100000000+i), sql.Named("hash", hash[:]), sql.Named("now", time.Now().UnixMicro())); err != nil {
			return fmt.Errorf("insert: %w", err)
		}
	}
	_, err := conn.ExecContext(ctx, "COMMIT")
	return err
}
