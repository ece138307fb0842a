package main

import (
	"context"
	"errors"
	"strings"

	"github.com/kvitpay/kvit/clients/go/kvit"
	kvitv1 "github.com/kvitpay/kvit/gen/kvit/v1"
)

type keyCreate struct {
	onceFlags

	Name       string   `help:"What the key is for." required:"" placeholder:"TEXT"`
	Scope      []string `help:"What it may do, such as links:write; may be repeated." placeholder:"SCOPE"`
	Mode       string   `help:"test, or live for real money." enum:"test,live," default:"" placeholder:"MODE"`
	Edge       bool     `help:"Make a key of an edge adapter, which may only deliver callbacks."`
	MerchantID string   `help:"Whose key; only a platform key may name another than its own." placeholder:"ID"`
}

// Help shows how the command is used.
func (*keyCreate) Help() string {
	return `The secret is shown once and stored nowhere. Scopes: links:write orders:read orders:write refunds:write events:read
fulfillment:write chat:write exceptions:resolve reconcile:write journal:read webhooks:write keys:write.

Examples:

    kvit key create --name "shop" --mode test --scope links:write,orders:read,events:read

    kvit key create --name "Viber adapter" --edge`
}

// Run makes the key.
func (c *keyCreate) Run(ctx context.Context, a *app) error {
	request := &kvitv1.CreateApiKeyRequest{
		IdempotencyKey: c.key(), MerchantId: c.MerchantID, Name: c.Name, Scopes: c.Scope,
		Kind: kvitv1.ApiKeyKind_API_KEY_KIND_MERCHANT,
	}
	switch {
	case c.Edge && c.Mode != "":
		return usage(errors.New("--edge: an edge key has no --mode"))
	case c.Edge:
		request.Kind = kvitv1.ApiKeyKind_API_KEY_KIND_EDGE
	case c.Mode == "live":
		request.Mode = kvitv1.Mode_MODE_LIVE
	case c.Mode == "test":
		request.Mode = kvitv1.Mode_MODE_TEST
	default:
		return usage(errors.New("--mode: want test, or live for real money"))
	}
	answer, err := change(ctx, a, request.GetIdempotencyKey(), func(ctx context.Context, client *kvit.Client) (answered[*kvitv1.CreateApiKeyResponse], error) {
		return recorded(ctx, func(ctx context.Context) (*kvitv1.CreateApiKeyResponse, error) {
			return client.Access.CreateApiKey(ctx, request)
		})
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.changed(answer.message, request.GetIdempotencyKey(), answer.replayed)
	}
	a.replayedHint(answer.replayed)
	if answer.message.GetSecret() != "" {
		a.hint("Keep the secret now: it is not shown again.")
	}
	return a.facts(append([]fact{{"Secret", answer.message.GetSecret()}}, a.keyFacts(answer.message.GetApiKey())...)...)
}

type keyList struct {
	rowFlags

	MerchantID string `help:"Whose keys; only a platform key may name another than its own." placeholder:"ID"`
	Revoked    bool   `help:"List revoked keys too."`
}

// Help shows how the command is used.
func (*keyList) Help() string {
	return `Examples:

    kvit key list

    kvit key list --revoked --json`
}

// Run lists keys.
func (c *keyList) Run(ctx context.Context, a *app) error {
	request := &kvitv1.ListApiKeysRequest{MerchantId: c.MerchantID, IncludeRevoked: c.Revoked}
	all := &kvitv1.ListApiKeysResponse{}
	var err error
	all.NextPageToken, err = c.pages(func(token string, size int32) (int, string, error) {
		request.PageToken, request.PageSize = token, size
		page, err := read(ctx, a, func(ctx context.Context, client *kvit.Client) (*kvitv1.ListApiKeysResponse, error) {
			return client.Access.ListApiKeys(ctx, request)
		})
		all.ApiKeys = append(all.ApiKeys, page.GetApiKeys()...)
		return len(page.GetApiKeys()), page.GetNextPageToken(), err
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.document(all)
	}
	return a.keys(all.GetApiKeys(), all.GetNextPageToken())
}

func (a *app) keys(keys []*kvitv1.ApiKey, next string) error {
	defer a.more(next)
	if len(keys) == 0 {
		a.hint("No keys.")
		return nil
	}
	rows := make([][]string, len(keys))
	for i, k := range keys {
		rows[i] = []string{
			k.GetId(), k.GetName(), keyWord(k.GetKind()), word(k.GetMode(), "MODE_"), k.GetMerchantId(),
			a.minute(k.GetCreatedAt()), a.minute(k.GetRevokedAt()), strings.Join(k.GetScopes(), " "),
		}
	}
	return a.table([]column{
		{title: "KEY"},
		{title: "NAME", flexible: true},
		{title: "KIND", optional: 2},
		{title: "MODE"},
		{title: "MERCHANT", optional: 3},
		{title: "CREATED", optional: 1},
		{title: "REVOKED"},
		{title: "SCOPES", optional: 4, flexible: true},
	}, rows)
}

func keyWord(k kvitv1.ApiKeyKind) string { return word(k, "API_KEY_KIND_") }

type keyRevoke struct {
	onceFlags

	KeyID      string `arg:"" name:"key-id" help:"The key's id; it is not the secret."`
	Reason     string `help:"Why, for the record." placeholder:"TEXT"`
	MerchantID string `help:"Whose key; only a platform key may name another than its own." placeholder:"ID"`
}

// Help shows how the command is used.
func (*keyRevoke) Help() string {
	return `Examples:

    kvit key revoke key_5F --reason "laptop lost"`
}

// Run ends the key.
func (c *keyRevoke) Run(ctx context.Context, a *app) error {
	request := &kvitv1.RevokeApiKeyRequest{
		IdempotencyKey: c.key(), MerchantId: c.MerchantID, ApiKeyId: c.KeyID, Reason: c.Reason,
	}
	answer, err := change(ctx, a, request.GetIdempotencyKey(), func(ctx context.Context, client *kvit.Client) (answered[*kvitv1.RevokeApiKeyResponse], error) {
		return recorded(ctx, func(ctx context.Context) (*kvitv1.RevokeApiKeyResponse, error) {
			return client.Access.RevokeApiKey(ctx, request)
		})
	})
	if err != nil {
		return err
	}
	if a.json {
		return a.changed(answer.message, request.GetIdempotencyKey(), answer.replayed)
	}
	a.replayedHint(answer.replayed)
	return a.facts(a.keyFacts(answer.message.GetApiKey())...)
}

func (a *app) keyFacts(k *kvitv1.ApiKey) []fact {
	return []fact{
		{"Key", k.GetId()},
		{"Name", k.GetName()},
		{"Kind", keyWord(k.GetKind())},
		{"Mode", word(k.GetMode(), "MODE_")},
		{"Merchant", k.GetMerchantId()},
		{"Scopes", strings.Join(k.GetScopes(), " ")},
		{"Created", a.instant(k.GetCreatedAt())},
		{"Revoked", a.instant(k.GetRevokedAt())},
	}
}
