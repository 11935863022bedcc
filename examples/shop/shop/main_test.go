package shop

import (
	"fmt"
	"os"
	"testing"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

// detachArg makes the test binary the short-lived parent of queueMail.
const detachArg = "detach-for-test"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == detachArg {
		if err := Detach(os.Stdin, os.Stdout, os.Args[2:]...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	testutil.NoLeaks(m)
}

func selfDetacher(t *testing.T) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{self, detachArg}
}
