package seal

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// checkSize is the length of a check value: enough to tell keys apart, useless to find one.
const checkSize = 16

// CheckValues returns for each key a value that the database keeps under the key's name, so that a
// server can tell whether its keys are the installation's. A check value says nothing about its key.
func (k *Keyring) CheckValues() map[string][]byte {
	values := make(map[string][]byte, len(k.ring.order))
	for name, one := range k.ring.byName {
		sum := one.check.text(name)
		values[name] = sum[:checkSize]
	}
	return values
}

// Fits compares the ring with the check values that the database holds (A2). Each stored one must be
// of a key in the ring, with the same value; keys that the database does not know yet are new, and
// fit. It returns nil or an error that names every key that is missing or different: such a server must
// not start, because it could not open what others sealed or would seal what they cannot open.
//
// Two servers that start at once are told apart by storing first: insert the values of new keys
// without replacing any, read all of them again in the same transaction, then ask Fits.
func (k *Keyring) Fits(stored map[string][]byte) error {
	values := k.CheckValues()
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(stored)) {
		value, ok := values[name]
		switch {
		case !ok:
			faults = append(faults, fmt.Errorf("the database knows the key %q, which is not among this server's keys", name))
		case subtle.ConstantTimeCompare(value, stored[name]) != 1:
			faults = append(faults, fmt.Errorf("the key %q is not the one that the database was used with", name))
		}
	}
	return errors.Join(faults...)
}
