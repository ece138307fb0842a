package redislock_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/kvitpay/kvit/server/lock/redislock"
)

func TestOpen_ReadsOneServer(t *testing.T) {
	t.Parallel()
	client, ok := open(t, "rediss://user:pa%40ss@example.org/3?pool_size=7").(*redis.Client)
	if !ok {
		t.Fatal("not a client of one server")
	}
	o := client.Options()
	if o.Addr != "example.org:6379" || o.DB != 3 || o.Username != "user" || o.Password != "pa@ss" || o.PoolSize != 7 {
		t.Errorf("address %q, db %d, user %q, pool %d", o.Addr, o.DB, o.Username, o.PoolSize)
	}
	if o.TLSConfig == nil || !o.ContextTimeoutEnabled || o.MaxRetries != 0 {
		t.Error("want TLS, deadlines honoured and no second try")
	}
}

func TestOpen_ReadsSentinels(t *testing.T) {
	t.Parallel()
	client, ok := open(t, "redis+sentinel://user:secret@s1,s2:26380,[::1]/main/2?sentinel_password=other").(*redis.Client)
	if !ok {
		t.Fatal("not a failover client")
	}
	if o := client.Options(); o.Addr != "FailoverClient" || o.DB != 2 || o.Username != "user" || o.Password != "secret" {
		t.Errorf("address %q, db %d, user %q", o.Addr, o.DB, o.Username)
	}
}

func TestOpen_ReadsCluster(t *testing.T) {
	t.Parallel()
	client, ok := open(t, "rediss+cluster://user:secret@n1:7000,n2,[::1]:7001").(*redis.ClusterClient)
	if !ok {
		t.Fatal("not a cluster client")
	}
	o := client.Options()
	if got := strings.Join(o.Addrs, " "); got != "n1:7000 n2:6379 [::1]:7001" {
		t.Errorf("addresses %q", got)
	}
	if o.TLSConfig == nil || o.TLSConfig.ServerName != "" || o.Password != "secret" {
		t.Error("want TLS that checks each node by its own name, and the password")
	}
}

func TestOpen_RefusesAndKeepsSecret(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"",
		"localhost:6379",
		"http://user:secret@host",
		"redis+ring://user:secret@host",
		"redis://user:secret@host:port",
		"redis://user:secret@host/db",
		"redis://user:secret@host?colour=red",
		"redis://user:secret@host1,host2",
		"redis://user:secret@ho st",
		"redis://user:sec%zzret@host",
		"redis+sentinel://user:secret@host",
		"redis+cluster://user:secret@host/1",
		"redis+cluster://user:secret@host,",
	} {
		client, err := redislock.Open(url)
		if err == nil {
			_ = client.Close()
			t.Errorf("Open(%q) succeeds", url)
			continue
		}
		if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "zzret") {
			t.Errorf("Open(%q) = %q, which shows the password", url, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add("redis://user:pw@host:1/2?pool_size=3")
	f.Add("rediss+sentinel://h1,h2:3/master/1")
	f.Add("redis+cluster://[::1]:2,h")
	f.Fuzz(func(_ *testing.T, url string) {
		client, err := redislock.Open(url)
		if err == nil {
			_ = client.Close()
		}
	})
}
