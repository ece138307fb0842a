package main

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/kvitpay/kvit/"

// floors lists every room of the house from the ground up. A room imports
// only rooms on lower floors, so rooms that share a floor never meet.
// A trailing slash takes in every room inside that one.
// What a room may import from outside the house stands in .golangci.yml (depguard).
var floors = [][]string{
	{"gen/kvit/v1", "migrations", "server/config", "server/fault", "server/telemetry"},
	{"gen/kvit/v1/kvitv1connect", "server/money"},
	{"server/order", "server/text"},
	{"server/lock", "server/notify", "server/psp", "server/seal", "server/store", "server/stream", "server/viber"},
	{"server/lock/", "server/notify/", "server/psp/", "server/store/", "server/stream/", "server/writer"},
	{"server/access", "server/chat", "server/operate", "server/outbox", "server/payment", "server/reconcile"},
	{"server/adapter/", "server/api", "server/checkout", "server/checkout/"},
	{"server/app"},
	{"server", "server/bench"},
}

// Law 1: a room imports only lower floors, a client only what a stranger has too. Tests may import anything.
func TestImports_Law1_PointDown(t *testing.T) {
	t.Parallel()

	for name, file := range goFiles(t) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		room := path.Dir(name)
		for _, other := range housemates(file) {
			switch {
			case strings.HasPrefix(room, "clients/"):
				if !strings.HasPrefix(other, "gen/") && !strings.HasPrefix(other, "clients/go/") {
					t.Errorf("%s: a client knows gen and clients/go, not %s", name, other)
				}
			case strings.HasPrefix(room, "tools/"):
				if !strings.HasPrefix(other, "tools/") {
					t.Errorf("%s: a tool knows no room, not %s", name, other)
				}
			case floor(room) < 0:
				t.Errorf("%s: %s stands on no floor", name, room)
			case floor(other) < 0:
				t.Errorf("%s: imports %s, which stands on no floor", name, other)
			case floor(other) >= floor(room):
				t.Errorf("%s: floor %d reaches up or across to %s on floor %d", name, floor(room), other, floor(other))
			}
		}
	}
}

// Law 4: settings are read in the wiring alone; every other room takes what it needs.
func TestImports_Law4_OnlyTheWiringReadsConfig(t *testing.T) {
	t.Parallel()

	for name, file := range goFiles(t) {
		room := path.Dir(name)
		if room != "server" && room != "server/app" && room != "server/config" && slices.Contains(housemates(file), "server/config") {
			t.Errorf("%s: only server/app and main import server/config", name)
		}
	}
}

// Every package says once what it is for.
func TestPackages_HaveOnePackageComment(t *testing.T) {
	t.Parallel()

	files := map[string]int{}
	comments := map[string][]string{}
	for name, file := range goFiles(t) {
		dir := path.Dir(name)
		if strings.HasSuffix(name, "_test.go") || strings.HasPrefix(dir, "gen/") {
			continue
		}
		files[dir]++
		if file.Doc.Text() != "" {
			comments[dir] = append(comments[dir], path.Base(name))
		}
	}
	if len(files) == 0 {
		t.Fatal("found no package")
	}
	for dir := range files {
		if len(comments[dir]) != 1 {
			slices.Sort(comments[dir])
			t.Errorf("%s: wants a package comment in one file, has it in %d %v", dir, len(comments[dir]), comments[dir])
		}
	}
}

// private matches what belongs to the machine that a file was written on. It is put together from
// pieces so that this file does not match itself.
var private = regexp.MustCompile(`(?i)` + strings.Join([]string{
	`\b(proxy|sum|index)\.` + `golang\.org`,
	`\bregistry\.` + `(npmjs\.org|yarnpkg\.com)`,
	`\b(deb|security|ftp)\.` + `debian\.org`,
	`\b(archive|security)\.` + `ubuntu\.com`,
	`\bfiles\.` + `pythonhosted\.org`,
	`(^|[\s"'` + "`" + `=:(,])/(work|root|home|Users)/` + `\w`,
}, "|"))

// A clone builds anywhere: no file names a package registry's host or a path of one machine.
func TestTree_NamesNoMachine(t *testing.T) {
	t.Parallel()

	for name, content := range textFiles(t) {
		for i, line := range bytes.Split(content, []byte("\n")) {
			if found := private.Find(line); found != nil {
				t.Errorf("%s:%d: names %q", name, i+1, bytes.TrimSpace(found))
			}
		}
	}
}

// floor is the height of a room, -1 where it has none.
func floor(room string) int {
	return slices.IndexFunc(floors, func(rooms []string) bool {
		return slices.ContainsFunc(rooms, func(r string) bool {
			return room == r || strings.HasSuffix(r, "/") && strings.HasPrefix(room, r)
		})
	})
}

// housemates are the rooms of ours that a file imports, without the module's name.
func housemates(file *ast.File) []string {
	var rooms []string
	for _, spec := range file.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		if room, ours := strings.CutPrefix(imported, module); ours {
			rooms = append(rooms, room)
		}
	}
	return rooms
}

// goFiles parses every Go file of the tree as far as its imports.
func goFiles(t *testing.T) map[string]*ast.File {
	t.Helper()

	files := map[string]*ast.File{}
	for name, content := range textFiles(t) {
		if path.Ext(name) != ".go" || strings.Contains(name, "/testdata/") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, content, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = file
	}
	return files
}

// textFiles reads every file of the tree that git does not ignore and that holds text. It goes
// through io/fs, so that the test cache sees what the test read.
func textFiles(t *testing.T) map[string][]byte {
	t.Helper()

	root := os.DirFS("..")
	skip := ignored(t, root)
	files := map[string][]byte{}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skip(name+"/"):
			return fs.SkipDir
		case !d.Type().IsRegular() || skip(name):
			return nil
		}
		content, err := fs.ReadFile(root, name)
		if errors.Is(err, fs.ErrNotExist) { // an editor's file that is gone by now
			return nil
		}
		if err == nil && !bytes.Contains(content, []byte{0}) {
			files[name] = content
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// ignored reads the root's .gitignore: names, "/"-anchored paths, "*" patterns and, with a slash
// at the end, directories.
func ignored(t *testing.T, root fs.FS) func(name string) bool {
	t.Helper()

	content, err := fs.ReadFile(root, ".gitignore")
	if err != nil {
		t.Fatal(err)
	}
	patterns := append(strings.Fields(string(content)), ".git/")
	return func(name string) bool {
		return slices.ContainsFunc(patterns, func(pattern string) bool {
			if strings.HasSuffix(pattern, "/") != strings.HasSuffix(name, "/") {
				return false
			}
			candidate := strings.TrimSuffix(name, "/")
			anchored, fromRoot := strings.CutPrefix(strings.TrimSuffix(pattern, "/"), "/")
			if !fromRoot && !strings.Contains(anchored, "/") {
				candidate = path.Base(candidate)
			}
			match, err := path.Match(anchored, candidate)
			return err == nil && match
		})
	}
}
