package sqlite

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/goshawk-io/goshawk/internal/store"
	"github.com/goshawk-io/goshawk/internal/store/storetest"
	"github.com/goshawk-io/goshawk/internal/testutil"
)

var _ store.Reader = (*Store)(nil)

func TestMain(m *testing.M) {
	if args := os.Getenv(childEnv); args != "" {
		fmt.Fprintln(os.Stderr, runChild(args))
		os.Exit(1)
	}
	testutil.NoLeaks(m)
}

// openStore opens a store that the test closes.
func openStore(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(context.Background(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStore_conforms(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store { return openStore(t, t.TempDir(), Options{}) })
}

func TestStore_conformsOverManyFiles(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store {
		return openStore(t, t.TempDir(), Options{fileBytes: 150 << 10})
	})
}

func TestStore_conformsInSmallSteps(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Store {
		return openStore(t, t.TempDir(), Options{fileBytes: 300 << 10, chunk: 7, few: 10})
	})
}
