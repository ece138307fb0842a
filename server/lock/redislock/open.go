package redislock

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// clientTimeout bounds dialing, reading and writing where neither the URL nor a deadline says less.
const clientTimeout = time.Second

// Open returns a client for a Redis URL. It dials nothing: a service that is away shows when it is used.
//
//	redis://[user:password@]host[:6379][/db]                      one server
//	redis+sentinel://[user:password@]host1[:26379],host2/master[/db]  the master that the sentinels name
//	redis+cluster://[user:password@]host1[:6379],host2            a cluster, found through any of these
//
// With rediss in place of redis the connections are encrypted. User and password are Redis's own; a
// sentinel's are the parameters sentinel_username and sentinel_password. Other parameters are those
// of go-redis: pool_size, dial_timeout=3s, skip_verify and so on.
//
// Deadlines of contexts are honoured, and nothing is tried a second time: a repeated take of a lock
// would meet itself. The client's own logging is switched off, process-wide: observers tell each change
// of state once. The error never shows the URL, which may hold a password.
func Open(rawURL string) (redis.UniversalClient, error) {
	logging.Disable()
	client, err := open(rawURL)
	if err != nil {
		return nil, fmt.Errorf("redis url: %w", withoutURL(err))
	}
	return client, nil
}

func open(rawURL string) (redis.UniversalClient, error) {
	kind, u, err := split(rawURL)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "":
		return openSingle(u)
	case "sentinel":
		return openSentinel(u)
	case "cluster":
		return openCluster(u)
	default:
		return nil, fmt.Errorf("unknown scheme %q", u.Scheme+"+"+kind)
	}
}

func openSingle(u *url.URL) (redis.UniversalClient, error) {
	if u.Query().Has("addr") {
		return nil, errors.New("several hosts want redis+sentinel or redis+cluster")
	}
	o, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, err
	}
	o.MaxRetries, o.DialerRetries, o.ContextTimeoutEnabled, o.DisableIdentity = -1, 1, true, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	orDefault(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout)
	return redis.NewClient(o), nil
}

func openSentinel(u *url.URL) (redis.UniversalClient, error) {
	master, db, _ := strings.Cut(strings.Trim(u.Path, "/"), "/")
	if master == "" {
		return nil, errors.New("the path must name the master: /master or /master/db")
	}
	query := u.Query()
	user, password := query.Get("sentinel_username"), query.Get("sentinel_password")
	query.Del("sentinel_username")
	query.Del("sentinel_password")
	query.Set("master_name", master)
	u.RawQuery, u.Path = query.Encode(), "/"+db
	o, err := redis.ParseFailoverURL(u.String())
	if err != nil {
		return nil, err
	}
	// go-redis takes the URL's user for that of the sentinels.
	o.Username, o.Password = o.SentinelUsername, o.SentinelPassword
	o.SentinelUsername, o.SentinelPassword = user, password
	o.MaxRetries, o.DialerRetries, o.ContextTimeoutEnabled, o.DisableIdentity = -1, 1, true, true
	orDefault(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout)
	nameByAddress(o.TLSConfig)
	return redis.NewFailoverClient(o), nil
}

func openCluster(u *url.URL) (redis.UniversalClient, error) {
	if strings.Trim(u.Path, "/") != "" {
		return nil, errors.New("a cluster has no database number")
	}
	o, err := redis.ParseClusterURL(u.String())
	if err != nil {
		return nil, err
	}
	o.MaxRetries, o.DialerRetries, o.ContextTimeoutEnabled, o.DisableIdentity = -1, 1, true, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	orDefault(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout)
	nameByAddress(o.TLSConfig)
	return redis.NewClusterClient(o), nil
}

// split takes the kind out of the scheme, and turns further hosts into the parameters that go-redis
// knows them by.
func split(rawURL string) (kind string, u *url.URL, err error) {
	scheme, rest, ok := strings.Cut(rawURL, "://")
	if !ok {
		return "", nil, errors.New("must look like redis://host:6379")
	}
	base, kind, _ := strings.Cut(scheme, "+")
	if base != "redis" && base != "rediss" {
		return "", nil, fmt.Errorf("unknown scheme %q", scheme)
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, tail := rest[:end], rest[end:]
	userinfo, list := "", authority
	if at := strings.LastIndex(authority, "@"); at >= 0 {
		userinfo, list = authority[:at+1], authority[at+1:]
	}
	hosts := strings.Split(list, ",")
	for i, host := range hosts {
		hosts[i] = withPort(host, kind)
	}
	u, err = url.Parse(base + "://" + userinfo + hosts[0] + tail)
	if err != nil || len(hosts) == 1 {
		return kind, u, err
	}
	query := u.Query()
	for _, host := range hosts[1:] {
		query.Add("addr", host)
	}
	u.RawQuery = query.Encode()
	return kind, u, nil
}

// withPort adds the usual port of a sentinel or of Redis to a host that names none.
func withPort(host, kind string) string {
	if host == "" || strings.LastIndex(host, ":") > strings.LastIndex(host, "]") {
		return host
	}
	if kind == "sentinel" {
		return host + ":26379"
	}
	return host + ":6379"
}

// nameByAddress has each server's certificate checked against its own name, not against that of the
// first host of the URL.
func nameByAddress(config *tls.Config) {
	if config != nil {
		config.ServerName, config.MinVersion = "", tls.VersionTLS12
	}
}

// orDefault gives a timeout that the URL did not name its default.
func orDefault(timeouts ...*time.Duration) {
	for _, t := range timeouts {
		if *t == 0 {
			*t = clientTimeout
		}
	}
}

// withoutURL drops the URL that url.Parse repeats in its errors.
func withoutURL(err error) error {
	if parse, ok := errors.AsType[*url.Error](err); ok {
		return parse.Err
	}
	return err
}
