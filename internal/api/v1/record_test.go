package v1

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/goshawk-io/goshawk/internal/model"
)

func TestAppendRecord_saysWhatNewRecordSays(t *testing.T) {
	for _, weight := range []float64{1, 12.5, 1e6} {
		r := model.Record{Event: fullEvent("x"), Weight: weight}
		want, err := json.Marshal(NewRecord(r))
		if err != nil {
			t.Fatal(err)
		}
		var a, b map[string]any
		got := AppendRecord(nil, r)
		if err := json.Unmarshal(got, &a); err != nil {
			t.Fatalf("%v: %s", err, got)
		}
		if err := json.Unmarshal(want, &b); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(a, b) || a["id"] != r.Event.ID().String() || a["weight"] != weight {
			t.Errorf("AppendRecord\n%s\nNewRecord\n%s", got, want)
		}
	}
}
