// Package config reads the settings, once, and says everything that is wrong with them at once.
//
// The idea: a setting is a field of a struct, and its name, default, form and meaning are the field's
// tags. From the same tags the settings are read, faults are explained and the reference page is
// written ([Reference]). Each component has a struct of its own in [Settings]; app hands it on.
//
// [Load] promises that what it returns is usable: addresses and URLs parse, what belongs together is
// there together, and no KVIT_ name was given that means nothing. A [Secret] prints [redacted] and is
// never part of a fault. Settings that could hold a secret take a reference to it as well: env:NAME is
// another variable, file:PATH a file.
//
// The merchants stand in a YAML file of their own, KVIT_CONFIG; without one there is one merchant to
// try things with.
//
// Concurrency: Load has no state. Settings are not changed after it.
//
// Failure: a [FaultsError], with one entry per setting or line.
package config

import (
	"log/slog"
	"net/url"
	"os"
	"time"
)

// Settings are all settings, one struct per component.
type Settings struct {
	Door      Door
	Edge      Edge
	Store     Store
	Redis     Redis
	Keys      Keys
	Telemetry Telemetry
	Process   Process
	Merchants Merchants
	// Warnings are one sentence for each setting that works, and that no production installation should have.
	Warnings []string
}

// The tags of a setting: name; default; shown, what the reference page says in place of the default;
// form, what a value must be; meaning; and for some a bound: least, most, oneof, reference.

// Door is where the server listens, and how it is reached.
type Door struct {
	Listen      Listen  `name:"KVIT_LISTEN" default:"127.0.0.1:8080" form:"host:port" meaning:"Where the one public port listens. Without a host it is every address."`
	PublicURL   url.URL `name:"KVIT_PUBLIC_URL" shown:"http:// and the address of KVIT_LISTEN" form:"an http or https URL without a path" meaning:"How payers, bots and PSPs reach the public port. https, unless it is this machine alone."`
	AdminListen Listen  `name:"KVIT_ADMIN_LISTEN" default:"127.0.0.1:8081" form:"host:port" meaning:"Where metrics, profiles and AccessService listen. Keep it from the public."`
	Reflection  bool    `name:"KVIT_REFLECTION" default:"true" form:"true or false" meaning:"Whether the public port describes its API to tools such as grpcurl."`
	Sandbox     Listen  `name:"KVIT_SANDBOX_LISTEN" default:"127.0.0.1:8082" form:"host:port" meaning:"Where the built-in sandbox PSP listens. Opened for the demo merchant, for accounts of the psp sandbox without a url, and with -role=sandbox."`
	SandboxURL  url.URL `name:"KVIT_SANDBOX_URL" shown:"http:// and the address of KVIT_SANDBOX_LISTEN" form:"an http or https URL without a path" meaning:"How browsers reach the sandbox PSP."`
}

// Edge is what an adapter that runs by itself needs (-role=adapter), and no other server.
type Edge struct {
	Upstream url.URL `name:"KVIT_UPSTREAM" shown:"none; required with -role=adapter" form:"an http or https URL without a path" meaning:"The server that an adapter delivers to: its public port. The flag -upstream sets it too."`
	Key      Secret  `name:"KVIT_EDGE_API_KEY" shown:"none; required with -role=adapter" form:"an edge key (kvit_edge_...), or a reference to one" meaning:"The key with which an adapter delivers. It can do nothing else."`
}

// Store is where orders live: PostgreSQL where a URL is given, else SQLite in the data directory.
type Store struct {
	DataDir string `name:"KVIT_DATA_DIR" default:".kvit" form:"a path" meaning:"Directory of the embedded database, and of the keys made at first start."`
	URL     Secret `name:"KVIT_DATABASE_URL" shown:"the SQLite file kvit.db in KVIT_DATA_DIR" form:"a postgres:// URL, or a reference to one" meaning:"The PostgreSQL database that all servers share."`
	Pool    int    `name:"KVIT_DATABASE_POOL" default:"auto" least:"2" most:"1000" form:"auto, or a number from 2 to 1000" meaning:"Connections to PostgreSQL per process. auto is 6 per core, and at least 8."`
}

// Postgres reports whether the store is PostgreSQL.
func (s Store) Postgres() bool { return !s.URL.IsZero() }

// Redis is where locks and wake-ups are shared between servers.
type Redis struct {
	URL Secret `name:"KVIT_REDIS_URL" shown:"none: locks and wake-ups inside the process" form:"a redis:// URL, or a reference to one" meaning:"Redis for locks and wake-ups between servers: redis://HOST:PORT/DB, redis+sentinel://HOST,HOST/MASTER/DB or redis+cluster://HOST,HOST. With rediss the connections are encrypted."`
}

// Keys are the installation's secrets.
type Keys struct {
	Text      Secret `name:"KVIT_KEYS" reference:"only" shown:"with SQLite the file keys in KVIT_DATA_DIR, made at first start; with PostgreSQL required" form:"file:PATH or env:NAME" meaning:"The installation's keys, the same on every server: one per line, a name and 32 bytes in base64url, the active one first."`
	Bootstrap Secret `name:"KVIT_BOOTSTRAP_API_KEY" shown:"made at first start and printed" form:"a platform key (kvit_platform_...), or a reference to one" meaning:"A platform key that exists after start. Without KVIT_CONFIG it stands for the demo merchant."`
}

// Telemetry is what the server says about itself.
type Telemetry struct {
	LogLevel  slog.Level `name:"KVIT_LOG_LEVEL" default:"info" form:"debug, info, warn or error" oneof:"debug info warn error" meaning:"The least level that is logged."`
	LogFormat string     `name:"KVIT_LOG_FORMAT" default:"text" form:"text or json" oneof:"text json" meaning:"How log lines are written: text for people, json for programs."`
	Traces    string     `name:"KVIT_TRACES" default:"off" form:"off or otlp" oneof:"off otlp" meaning:"Where traces go: nowhere, or by HTTP to an OpenTelemetry collector."`
	TracesURL url.URL    `name:"KVIT_TRACES_URL" default:"http://127.0.0.1:4318/v1/traces" form:"an http or https URL" meaning:"The collector's address, with KVIT_TRACES=otlp."`
}

// Process is how the process behaves.
type Process struct {
	ShutdownGrace time.Duration `name:"KVIT_SHUTDOWN_GRACE" default:"20s" least:"0s" most:"10m" form:"a duration such as 20s, up to 10m" meaning:"How long running requests may take after the signal to stop."`
	GCPercent     int           `name:"KVIT_GOGC" default:"300" least:"25" most:"2000" form:"a number from 25 to 2000" meaning:"By how many percent the heap may grow between two garbage collections. More is faster and takes more memory."`
}

// Merchants are who is paid.
type Merchants struct {
	File string `name:"KVIT_CONFIG" shown:"none: one demo merchant" form:"a path" meaning:"A YAML file of merchants; see below."`
	// List holds at least one merchant.
	List []Merchant
	// Demo is true where there is no file, and List holds the demo merchant alone.
	Demo bool
}

// Source is where settings come from.
type Source struct {
	// Environ lists NAME=value, as os.Environ does.
	Environ []string
	// ReadFile reads the file at a path.
	ReadFile func(path string) ([]byte, error)
	// Cores is how many cores the process may use, for defaults that follow them.
	Cores int
	// Role is what the process is; empty means RoleAll.
	Role Role
}

// Role is what a process of this program is.
type Role string

// The roles.
const (
	// RoleAll is a whole server.
	RoleAll Role = "all"
	// RoleAdapter takes callbacks and delivers them to a server. It has no database and no secret of a PSP.
	RoleAdapter Role = "adapter"
	// RoleSandbox is the sandbox PSP alone.
	RoleSandbox Role = "sandbox"
	// RoleSimulatePSP is a simulated PSP alone: the fake that a plug is tested with.
	RoleSimulatePSP Role = "simulate-psp"
)

// Roles lists every role.
func Roles() []Role { return []Role{RoleAll, RoleAdapter, RoleSandbox, RoleSimulatePSP} }

// FromProcess returns the source of a running process. Nothing else reads the environment.
func FromProcess(cores int) Source {
	return Source{Environ: os.Environ(), ReadFile: os.ReadFile, Cores: cores}
}
