package uprobe

import (
	"testing"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

func TestMain(m *testing.M) { testutil.NoLeaks(m) }

func TestCalibrate(t *testing.T) {
	testutil.RequireBPF(t)
	costs, err := Calibrate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", costs)
}
