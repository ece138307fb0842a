package app

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/kvitpay/kvit/server/config"
	"github.com/kvitpay/kvit/server/seal"
)

const (
	keysFile      = "keys"
	bootstrapFile = "bootstrap-key"
	databaseFile  = "kvit.db"
	// secretMode keeps files with secrets to their owner.
	secretMode = 0o600
	dirMode    = 0o700
)

// loadKeys reads the installation's keys (A2). With SQLite they are made at first start.
func loadKeys(settings *config.Settings) (*seal.Keyring, error) {
	text := []byte(settings.Keys.Text.Reveal())
	if len(text) == 0 {
		made, err := ownFile(settings.Store.DataDir, keysFile, func() ([]byte, error) {
			return seal.Generate("first", rand.Reader)
		})
		if err != nil {
			return nil, fmt.Errorf("the installation's keys: %w", err)
		}
		text = made
	}
	keys, err := seal.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("the installation's keys (KVIT_KEYS): %w", err)
	}
	return keys, nil
}

// bootstrapKey is the platform key that exists after start: the one that was set, or with SQLite one
// that is made at first start. With PostgreSQL, where several servers share the database, none is
// made: it must be set.
func bootstrapKey(settings *config.Settings) (string, error) {
	if secret := settings.Keys.Bootstrap.Reveal(); secret != "" {
		return secret, nil
	}
	if settings.Store.Postgres() {
		return "", nil
	}
	secret, err := ownFile(settings.Store.DataDir, bootstrapFile, func() ([]byte, error) {
		secret, _, err := seal.NewAPIKey(seal.APIKeyPlatform, rand.Reader)
		return []byte(secret + "\n"), err
	})
	if err != nil {
		return "", fmt.Errorf("the bootstrap key: %w", err)
	}
	return strings.TrimSpace(string(secret)), nil
}

// ownSecret reads a secret of the data directory, 32 random bytes in base64url, and makes it first where it is missing.
func ownSecret(dir, name string) (string, error) {
	text, err := ownFile(dir, name, func() ([]byte, error) {
		var raw [32]byte
		_, _ = rand.Read(raw[:]) // It never fails: the process ends first.
		return []byte(base64.RawURLEncoding.EncodeToString(raw[:]) + "\n"), nil
	})
	if err != nil {
		return "", fmt.Errorf("the secret in the file %s: %w", name, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// ownFile reads a file of the data directory, and makes it first where it is missing. A file that was
// written halfway never appears under its name.
func ownFile(dir, name string, text func() ([]byte, error)) ([]byte, error) {
	path := filepath.Join(dir, name)
	known, err := os.ReadFile(path) //nolint:gosec // The path is the data directory of the settings.
	if !errors.Is(err, fs.ErrNotExist) {
		return known, err
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, err
	}
	made, err := text()
	if err != nil {
		return nil, err
	}
	draft, err := os.CreateTemp(dir, name+"-*")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(draft.Name()) }()
	_, err = draft.Write(made)
	if err = errors.Join(err, draft.Chmod(secretMode), draft.Sync(), draft.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(draft.Name(), path); err != nil { // Link, not Rename: who was first stays.
		if errors.Is(err, fs.ErrExist) {
			return os.ReadFile(path) //nolint:gosec // As above.
		}
		return nil, err
	}
	return made, nil
}

func support(s config.Support) string {
	for _, way := range []string{s.Text, s.URL, s.Phone, s.Email} {
		if way != "" {
			return way
		}
	}
	return ""
}
