package psp

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Settings are what a plug's Open takes: one account as the installation's settings describe it.
type Settings struct {
	// Account is the account's id, unique in the installation.
	Account string
	// Test is true for an account at which no money moves.
	Test bool
	// Currencies narrow those of the PSP; none means all of them.
	Currencies []string
	// Values are the plug's own settings by name; secrets are among them.
	Values map[string]string
	// Client calls the PSP. The deadline is in each call's context.
	Client *http.Client
	// Now is the process's clock.
	Now func() time.Time
}

// Check reports every value that is missing or that the plug does not know, in one error that holds no value.
func (s *Settings) Check(required, optional []string) error {
	var faults []string
	for _, name := range required {
		if s.Values[name] == "" {
			faults = append(faults, name+" is missing")
		}
	}
	for name := range s.Values {
		if !slices.Contains(required, name) && !slices.Contains(optional, name) {
			faults = append(faults, name+" is not known")
		}
	}
	if len(faults) == 0 {
		return nil
	}
	slices.Sort(faults)
	return fmt.Errorf("account %s: %s", s.Account, strings.Join(faults, "; "))
}
