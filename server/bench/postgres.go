package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // The driver of database/sql.
)

//go:embed scripts
var scripts embed.FS

const (
	// yardstickSchema is where the tables of pgbench are.
	yardstickSchema = "yardstick"
	scriptPG7       = "scripts/create_pg7.sql"
	scriptPG1       = "scripts/create_pg1.sql"
	scriptCallback  = "scripts/callback_pg7.sql"
	// sampled is how many of the newest rows of a table are measured.
	sampled = 2000
	// dropMax is how long it may take to drop the database, which writes everything out first.
	dropMax = time.Minute
)

// postgres is a database of this run alone, on the server that was given.
type postgres struct {
	server *sql.DB // the database that was named, to make and drop ours
	db     *sql.DB
	name   string
	url    *url.URL
	dir    string // where the scripts are as files
	bench  string // the program pgbench
	runs   int
}

// openPostgres makes the database, with the yardstick's tables in a schema of their own.
func openPostgres(ctx context.Context, address, dir string) (_ *postgres, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("KVIT_TEST_POSTGRES_URL is no URL") // url.Parse would print its password.
	}
	p := &postgres{name: "kvit_bench_" + strings.ToLower(rand.Text()[:8]), dir: dir}
	if p.bench, err = findPgbench(); err != nil {
		return nil, err
	}
	if p.server, err = sql.Open("pgx", address); err != nil {
		return nil, err
	}
	if _, err := p.server.ExecContext(ctx, "CREATE DATABASE "+p.name); err != nil {
		return nil, errors.Join(fmt.Errorf("make a database: %w", err), p.server.Close())
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close(ctx))
		}
	}()
	ours := *u
	ours.Path = "/" + p.name
	p.url = &ours
	if p.db, err = sql.Open("pgx", ours.String()); err != nil {
		return nil, err
	}
	for _, name := range []string{scriptPG7, scriptPG1, scriptCallback} {
		text, err := scripts.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(name)), text, 0o600)
		}
		if err != nil {
			return nil, err
		}
	}
	schema, err := scripts.ReadFile("scripts/schema.sql")
	if err == nil {
		_, err = p.db.ExecContext(ctx, string(schema))
	}
	if err != nil {
		return nil, fmt.Errorf("make the yardstick's tables: %w", err)
	}
	return p, nil
}

// close drops the database, also when ctx has ended.
func (p *postgres) close(ctx context.Context) error {
	if p.db != nil {
		_ = p.db.Close()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropMax)
	defer cancel()
	_, err := p.server.ExecContext(ctx, "DROP DATABASE IF EXISTS "+p.name+" WITH (FORCE)")
	return errors.Join(err, p.server.Close())
}

// findPgbench looks where Debian and others keep it, the newest first.
func findPgbench() (string, error) {
	if found, err := exec.LookPath("pgbench"); err == nil {
		return found, nil
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/pgbench", "/usr/pgsql-*/bin/pgbench", "/opt/homebrew/opt/postgresql@*/bin/pgbench"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return slices.Max(found), nil
		}
	}
	return "", errors.New("pgbench is missing: install PostgreSQL's server programs (Debian: postgresql)")
}

// What pgbench says: the rate of its first second (-P 1), and how many transactions there were in all.
var (
	firstSecond  = regexp.MustCompile(`(?m)^progress: ([\d.]+) s, ([\d.]+) tps`)
	transactions = regexp.MustCompile(`(?m)^number of transactions actually processed: (\d+)`)
)

// create runs a script for clients.
func (p *postgres) create(ctx context.Context, script string, clients, seconds int) (sample, error) {
	p.runs++
	s, _, err := p.script(ctx, script, clients, seconds)
	return s, err
}

// script runs a script for clients and returns its rate without its first second, in which connections
// are made and statements are prepared, and how many transactions there were in all.
func (p *postgres) script(ctx context.Context, script string, clients, seconds int, more ...string) (s sample, all int, err error) {
	args := []string{
		"-n", "-M", "prepared", "-c", strconv.Itoa(clients), "-j", strconv.Itoa(min(clients, 2)), "-T", strconv.Itoa(seconds + 1),
		"-P", "1", "-D", "run=" + strconv.Itoa(10000+p.runs), "-D", "k=100000000", "-f", filepath.Join(p.dir, filepath.Base(script)),
	}
	args = append(args, more...)
	log := ""
	if clients == 1 { // For a median; with one client the log costs nothing.
		log = filepath.Join(p.dir, "pgbench-"+strconv.Itoa(p.runs))
		args = append(args, "-l", "--log-prefix", log)
	}
	cmd := exec.CommandContext(ctx, p.bench, args...)
	password, _ := p.url.User.Password()
	cmd.Env = []string{
		"PGHOST=" + p.url.Hostname(), "PGPORT=" + p.url.Port(), "PGUSER=" + p.url.User.Username(), "PGPASSWORD=" + password,
		"PGDATABASE=" + p.name, "PGOPTIONS=-c search_path=" + yardstickSchema,
	}
	output, err := cmd.CombinedOutput()
	if err != nil {
		return sample{}, 0, fmt.Errorf("pgbench: %w\n%s", err, output)
	}
	if s.Rate, all, err = readRate(output, seconds+1); err != nil || log == "" {
		return s, all, err
	}
	s.P50, s.P99, err = readLog(log + "." + strconv.Itoa(cmd.Process.Pid))
	return s, all, err
}

// readRate is the rate of a run of so many seconds, without its first, and the number of all transactions.
func readRate(output []byte, seconds int) (tps float64, all int, err error) {
	first, total := firstSecond.FindSubmatch(output), transactions.FindSubmatch(output)
	if first == nil || total == nil {
		return 0, 0, fmt.Errorf("pgbench says no rate:\n%s", output)
	}
	took, err := strconv.ParseFloat(string(first[1]), 64)
	rate, rateErr := strconv.ParseFloat(string(first[2]), 64)
	all, allErr := strconv.Atoi(string(total[1]))
	if err := errors.Join(err, rateErr, allErr); err != nil {
		return 0, 0, err
	}
	return (float64(all) - rate*took) / (float64(seconds) - took), all, nil
}

// readLog takes the quantiles from a log of transactions: the third field is the latency in microseconds.
func readLog(name string) (p50, p99 time.Duration, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, 0, err
	}
	var h histogram
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 2 {
			us, err := strconv.Atoi(fields[2])
			if err != nil {
				return 0, 0, err
			}
			h.add(time.Duration(us) * time.Microsecond)
		}
	}
	return h.quantile(0.50), h.quantile(0.99), os.Remove(name)
}

// settings says how durable the database is.
func (p *postgres) settings(ctx context.Context) (string, error) {
	var version, commit, fsync, pages, buffers string
	err := p.db.QueryRowContext(ctx, `SELECT current_setting('server_version'), current_setting('synchronous_commit'),
		current_setting('fsync'), current_setting('full_page_writes'), current_setting('shared_buffers')`).Scan(
		&version, &commit, &fsync, &pages, &buffers)
	return fmt.Sprintf("PostgreSQL %s, synchronous_commit=%s, fsync=%s, full_page_writes=%s, shared_buffers=%s",
		version, commit, fsync, pages, buffers), err
}

// written is the number of transactions that wrote something, of the whole server.
func (p *postgres) written(ctx context.Context) (int64, error) {
	var id int64
	err := p.db.QueryRowContext(ctx, `SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint`).Scan(&id)
	return id, err
}

// rowsPer are the rows and bytes per order that were written into the tables of a schema.
type rowsPer struct {
	Rows    float64
	Bytes   float64
	Indexes int
}

// measure looks at the newest rows of the tables that a create writes.
func (p *postgres) measure(ctx context.Context, schema string) (rowsPer, error) {
	var all rowsPer
	var orders int
	if err := p.db.QueryRowContext(ctx, "SELECT count(*) FROM "+schema+".orders").Scan(&orders); err != nil || orders == 0 {
		return all, err
	}
	for _, table := range []string{"links", "orders", "records", "entries", "texts"} {
		var rows int
		var bytes float64
		var indexes int
		name := schema + "." + table
		err := p.db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM `+name+`),
			(SELECT coalesce(avg(pg_column_size(t.*)), 0) FROM (SELECT * FROM `+name+` ORDER BY ctid DESC LIMIT $1) AS t),
			(SELECT count(*) FROM pg_index WHERE indrelid = '`+name+`'::regclass)`, sampled).Scan(&rows, &bytes, &indexes)
		if err != nil {
			return all, fmt.Errorf("measure %s: %w", name, err)
		}
		per := float64(rows) / float64(orders)
		all.Rows += per
		all.Bytes += per * bytes
		all.Indexes += indexes
	}
	return all, nil
}

// checkpoint writes out what is dirty, so that it happens between measurements and not in one.
func (p *postgres) checkpoint(ctx context.Context) error {
	_, err := p.db.ExecContext(ctx, "CHECKPOINT")
	return err
}
