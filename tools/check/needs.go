package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// need is something that a run cannot do without.
type need struct {
	what   string
	have   func() bool
	debian []string // packages
	other  string   // how to get it elsewhere
}

// serverNeeds are the programs of the servers that the environment does not name.
func serverNeeds() []need {
	var needs []need
	if os.Getenv(postgresVariable) == "" {
		needs = append(needs, need{
			what:   "PostgreSQL's initdb, postgres and pg_isready",
			have:   func() bool { return postgresPrograms() != "" },
			debian: []string{"postgresql"},
			other:  "install PostgreSQL 15 or newer, or set " + postgresVariable,
		})
	}
	if os.Getenv(redisVariable) == "" {
		needs = append(needs, need{
			what:   "redis-server",
			have:   inPath("redis-server"),
			debian: []string{"redis-server"},
			other:  "install Redis 7 or newer, or set " + redisVariable,
		})
	}
	return needs
}

// buildNeeds are the programs that building and linting use.
func buildNeeds() []need {
	compiler := cmp.Or(os.Getenv("CC"), "gcc")
	return []need{
		{what: compiler + " (the race detector is linked with C)", have: inPath(compiler), debian: []string{"gcc", "libc6-dev"}, other: "install a C compiler"},
		{what: "npm (buf comes with it)", have: inPath("npm"), debian: []string{"npm"}, other: "install Node 20 or newer"},
	}
}

// browserVariable names the browser that the pages are tested in.
const browserVariable = "KVIT_BROWSER"

// browserNeeds is the browser that the pages are tested in.
func browserNeeds() []need {
	if os.Getenv(browserVariable) != "" {
		return nil
	}
	return []need{{
		what:   "Chromium (the payer's page is tested in it)",
		have:   inPath("/usr/bin/chromium"),
		debian: []string{"chromium"},
		other:  "install Chromium, or set " + browserVariable,
	}}
}

// provide installs what lacks, or says what it is and how to get it.
func (c *check) provide(ctx context.Context, needs []need) error {
	missing := lacking(needs)
	if len(missing) == 0 {
		return nil
	}
	var packages []string
	for _, n := range missing {
		packages = append(packages, n.debian...)
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return advice(missing, err == nil, packages)
	}
	c.step(ctx, "install "+strings.Join(packages, " "), func() error { return c.install(ctx, packages) })
	if missing = lacking(needs); len(missing) > 0 {
		return advice(missing, true, packages)
	}
	return nil
}

// install adds Debian packages.
func (c *check) install(ctx context.Context, packages []string) error {
	apt := []string{"DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=120"}
	if err := c.quietly(ctx, "env", append(apt, "update")...); err != nil {
		return fmt.Errorf("apt-get update: %w", err)
	}
	return c.quietly(ctx, "env", append(append(apt, "install", "-y", "--no-install-recommends"), packages...)...)
}

// advice is an error that names what is missing and the way to it.
func advice(missing []need, debian bool, packages []string) error {
	var text strings.Builder
	text.WriteString("missing:")
	for _, n := range missing {
		fmt.Fprintf(&text, "\n  %s: %s", n.what, n.other)
	}
	if debian {
		fmt.Fprintf(&text, "\nhere: sudo apt-get install %s", strings.Join(packages, " "))
	}
	return fmt.Errorf("%s", text.String())
}

// lacking returns the needs that are not met.
func lacking(needs []need) []need {
	return slices.DeleteFunc(slices.Clone(needs), func(n need) bool { return n.have() })
}

func inPath(program string) func() bool {
	return func() bool {
		_, err := exec.LookPath(program)
		return err == nil
	}
}

// postgresPrograms is the directory of PostgreSQL's server programs, the newest where there are several.
// Debian keeps them out of the path.
func postgresPrograms() string {
	var dirs []string
	if initdb, err := exec.LookPath("initdb"); err == nil {
		if target, err := filepath.EvalSymlinks(initdb); err == nil {
			dirs = append(dirs, filepath.Dir(target))
		}
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/pgsql/bin"} {
		found, _ := filepath.Glob(pattern)
		slices.SortFunc(found, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
		dirs = append(dirs, found...)
	}
	for _, dir := range dirs {
		if inPath(filepath.Join(dir, "initdb"))() && inPath(filepath.Join(dir, "postgres"))() && inPath(filepath.Join(dir, "pg_isready"))() {
			return dir
		}
	}
	return ""
}

// version is the number in the name of a PostgreSQL directory: /usr/lib/postgresql/15/bin is 15.
func version(dir string) int {
	name := filepath.Base(filepath.Dir(dir))
	number, _ := strconv.Atoi(strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyz-@"))
	return number
}
