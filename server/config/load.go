package config

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// The names that Load speaks about by itself.
const (
	prefix          = "KVIT_"
	nameListen      = "KVIT_LISTEN"
	namePublicURL   = "KVIT_PUBLIC_URL"
	nameAdminListen = "KVIT_ADMIN_LISTEN"
	nameDatabaseURL = "KVIT_DATABASE_URL"
	nameRedisURL    = "KVIT_REDIS_URL"
	nameKeys        = "KVIT_KEYS"
	nameBootstrap   = "KVIT_BOOTSTRAP_API_KEY"
	nameSandboxURL  = "KVIT_SANDBOX_URL"
	nameUpstream    = "KVIT_UPSTREAM"
	nameEdgeKey     = "KVIT_EDGE_API_KEY"
	nameConfig      = "KVIT_CONFIG"
	bootstrapPrefix = "kvit_platform_"
	edgePrefix      = "kvit_edge_"
	fileMax         = 1 << 20
	poolPerCore     = 6
	poolLeast       = 8
	referenceEnv    = "env:"
	referenceFile   = "file:"
	prefixForTests  = "KVIT_TEST_"
)

// clientNames are the settings of the command line client, which may share the environment.
var clientNames = []string{"KVIT_SERVER", "KVIT_ADMIN", "KVIT_API_KEY"}

// houseNames are the settings that only a whole server reads: the others do not even follow their references.
var houseNames = []string{nameDatabaseURL, nameRedisURL, nameKeys, nameBootstrap, nameConfig}

// loader gathers faults while it reads.
type loader struct {
	src      Source
	env      map[string]string
	used     map[string]bool
	settings *Settings
	faults   FaultsError
}

// Load reads all settings. A variable that is set to nothing counts as not set. Names that begin with
// KVIT_TEST_ belong to the tests, three names to the client, and are left alone; so are those that a reference names.
func Load(src Source) (*Settings, error) {
	l := &loader{src: src, env: map[string]string{}, used: map[string]bool{}, settings: &Settings{}}
	for _, pair := range src.Environ {
		if name, value, ok := strings.Cut(pair, "="); ok && value != "" {
			l.env[name] = value
		}
	}
	all := settingsOf(l.settings)
	for _, s := range all {
		l.read(s)
	}
	l.complete()
	l.check()
	if l.whole() {
		l.merchants()
	}
	l.refuseUnknown(all) // Last: a merchant's account may refer to any name.
	if len(l.faults) > 0 {
		return nil, l.faults
	}
	return l.settings, nil
}

func (l *loader) fault(name, format string, args ...any) {
	l.faults = append(l.faults, Fault{Name: name, Problem: fmt.Sprintf(format, args...)})
}

func (l *loader) warn(format string, args ...any) {
	l.settings.Warnings = append(l.settings.Warnings, fmt.Sprintf(format, args...))
}

// read takes one setting from the environment, or its default.
func (l *loader) read(s setting) {
	l.used[s.name] = true
	text, given := l.env[s.name]
	if !given {
		text = s.fallback
	}
	if text == "" {
		return
	}
	if !l.whole() && slices.Contains(houseNames, s.name) {
		l.warn("%s is given to -role=%s, which does not read it: keep it from there", s.name, l.src.Role)
		return
	}
	if s.secret() {
		var ok bool
		if text, ok = l.secret(s, text); !ok {
			return
		}
	}
	if err := s.set(text); err != nil {
		l.fault(s.name, "%s is not %s", quote(text), s.form)
	}
}

// whole reports whether the process is a whole server.
func (l *loader) whole() bool { return l.src.Role == "" || l.src.Role == RoleAll }

// secret follows a reference. What is none is the secret itself, where that is allowed.
func (l *loader) secret(s setting, text string) (string, bool) {
	if s.referenceOnly && !isReference(text) {
		l.fault(s.name, "is not %s; its value is a secret and is not written into the variable itself", s.form)
		return "", false
	}
	value, err := l.resolve(text)
	if err != nil {
		l.fault(s.name, "%v", err)
	}
	return value, err == nil
}

func isReference(text string) bool {
	return strings.HasPrefix(text, referenceEnv) || strings.HasPrefix(text, referenceFile)
}

// resolve returns what a reference leads to, never empty, and a text that is none as it is.
func (l *loader) resolve(text string) (string, error) {
	if name, ok := strings.CutPrefix(text, referenceEnv); ok {
		l.used[name] = true
		value, set := l.env[name]
		if !set {
			return "", fmt.Errorf("refers to the variable %s, which is not set", quote(name))
		}
		return value, nil
	}
	if path, ok := strings.CutPrefix(text, referenceFile); ok {
		value, err := l.file(path)
		if err != nil {
			return "", err
		}
		if value = strings.TrimSpace(value); value == "" {
			return "", fmt.Errorf("refers to the file %s, which is empty", quote(path))
		}
		return value, nil
	}
	return text, nil
}

func (l *loader) file(path string) (string, error) {
	content, err := l.src.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("cannot be read: %w", err)
	}
	if len(content) > fileMax {
		return "", fmt.Errorf("the file %s has more than %d bytes", quote(path), fileMax)
	}
	return string(content), nil
}

// refuseUnknown reports names that look like settings and are none.
func (l *loader) refuseUnknown(all []setting) {
	names := make([]string, 0, len(all))
	for _, s := range all {
		names = append(names, s.name)
	}
	for _, name := range slices.Sorted(maps.Keys(l.env)) {
		if !strings.HasPrefix(name, prefix) || l.used[name] ||
			strings.HasPrefix(name, prefixForTests) || slices.Contains(clientNames, name) {
			continue
		}
		l.fault(name, "there is no such setting%s", suggest(name, names))
	}
}

// complete fills in the defaults that follow other settings.
func (l *loader) complete() {
	s := l.settings
	if s.Door.PublicURL.Host == "" {
		s.Door.PublicURL = reachedAt(s.Door.Listen)
	}
	if s.Door.SandboxURL.Host == "" {
		s.Door.SandboxURL = reachedAt(s.Door.Sandbox)
	}
	if s.Store.Pool == 0 {
		s.Store.Pool = max(poolLeast, poolPerCore*l.src.Cores)
	}
}

// reachedAt is how this machine reaches an address that is listened on.
func reachedAt(listen Listen) url.URL {
	if isWildcard(listen.Host) {
		listen.Host = "127.0.0.1"
	}
	return url.URL{Scheme: "http", Host: listen.String()}
}

// check reports what is wrong between settings, and warns about what is unwise.
func (l *loader) check() {
	s := l.settings
	if s.Door.Listen.overlaps(s.Door.AdminListen) {
		l.fault(nameAdminListen, "%s is where %s listens; they need a port each", s.Door.AdminListen, nameListen)
	}
	l.checkBare(namePublicURL, &s.Door.PublicURL)
	l.checkBare(nameSandboxURL, &s.Door.SandboxURL)
	l.checkEdge()
	if s.Door.PublicURL.Scheme == "http" && !isLoopback(s.Door.PublicURL.Hostname()) {
		l.warn("%s is not https: links and what payers do can be read and changed on the way", namePublicURL)
	}
	if !s.Door.AdminListen.Loopback() {
		l.warn("%s listens beyond this machine: only operators may reach it", nameAdminListen)
	}
	postgres := l.checkSecretURL(nameDatabaseURL, s.Store.URL, "a postgres:// URL", "postgres", "postgresql")
	l.checkSecretURL(
		nameRedisURL, s.Redis.URL, "a redis://, redis+sentinel:// or redis+cluster:// URL, or one of them with rediss",
		"redis", "rediss", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster",
	)
	if postgres && s.Keys.Text.IsZero() && l.env[nameKeys] == "" {
		l.fault(nameKeys, "is needed with PostgreSQL, the same on every server; expected %s", "file:PATH or env:NAME")
	}
	if !s.Keys.Bootstrap.IsZero() && !strings.HasPrefix(s.Keys.Bootstrap.Reveal(), bootstrapPrefix) {
		l.fault(nameBootstrap, "is not a platform key: it begins with %s", bootstrapPrefix)
	}
}

// checkBare reports a path or a query where only an origin may stand.
func (l *loader) checkBare(name string, u *url.URL) {
	if (u.Path != "" && u.Path != "/") || u.RawQuery != "" {
		l.fault(name, "%s is not an http or https URL without a path", quote(u.String()))
	}
	u.Path = ""
}

// checkEdge reports what an adapter lacks, and what belongs to an adapter alone.
func (l *loader) checkEdge() {
	edge := &l.settings.Edge
	l.checkBare(nameUpstream, &edge.Upstream)
	if !edge.Key.IsZero() && !strings.HasPrefix(edge.Key.Reveal(), edgePrefix) {
		l.fault(nameEdgeKey, "is not an edge key: it begins with %s", edgePrefix)
	}
	if l.src.Role != RoleAdapter {
		return
	}
	if edge.Upstream.Host == "" && l.env[nameUpstream] == "" {
		l.fault(nameUpstream, "is needed with -role=%s: the server to deliver to", l.src.Role)
	}
	if edge.Key.IsZero() && l.env[nameEdgeKey] == "" {
		l.fault(nameEdgeKey, "is needed with -role=%s: kvit key create --edge makes one", l.src.Role)
	}
	if edge.Upstream.Scheme == "http" && !isLoopback(edge.Upstream.Hostname()) {
		l.warn("%s is not https: the edge key can be read on the way", nameUpstream)
	}
}

// checkSecretURL reports whether there is a URL with one of the schemes. It may hold a password, and so is
// not shown. The rest is for who connects: lists of hosts, which both databases know, are no URLs.
func (l *loader) checkSecretURL(name string, secret Secret, form string, schemes ...string) bool {
	if secret.IsZero() {
		return false
	}
	scheme, rest, ok := strings.Cut(secret.Reveal(), "://")
	if !ok || rest == "" || !slices.Contains(schemes, scheme) {
		l.fault(name, "is not %s", form)
		return false
	}
	return true
}
