package sandbox_test

import (
	"testing"

	"github.com/kvitpay/kvit/server/psp/psptest"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	psptest.Run(t, harness())
}
