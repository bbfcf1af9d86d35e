package acceptance_test

import (
	"testing"

	"github.com/segue-run/segue/acceptance/runtest"
)

func TestMain(m *testing.M) {
	hog() // if that is what this process is for
	runtest.Main(m)
}

// root is the checkout.
func root() string { return runtest.Root() }
