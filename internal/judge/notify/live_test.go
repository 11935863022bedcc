package notify

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/testutil"
)

// TestRealAlertmanager tells an Alertmanager of alerts, while it runs and over a time
// in which it does not: it shows what fires, and no longer what has ended.
func TestRealAlertmanager(t *testing.T) {
	server := testutil.NewAlertmanager(t, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
	server.Start()
	n, err := New(Options{Dir: t.TempDir(), ExternalURL: "http://goshawk.example", Receivers: []Receiver{
		{Name: "real", Alertmanager: &Alertmanager{URLs: []Secret{Secret(server.URL(""))}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { n.Run(ctx) })
	defer running.Wait()
	defer stop()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	shown := func() []string {
		response, err := client.Get(server.URL("/api/v2/alerts"))
		if err != nil {
			return []string{err.Error()}
		}
		defer response.Body.Close()
		var alerts []struct {
			Labels, Annotations map[string]string
			GeneratorURL        string
		}
		if err := json.NewDecoder(response.Body).Decode(&alerts); err != nil {
			return []string{err.Error()}
		}
		names := []string{}
		for _, a := range alerts {
			names = append(names, a.Labels[labelSLO])
		}
		slices.Sort(names)
		return names
	}
	await := func(want ...string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !slices.Equal(shown(), want); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("it shows %q, want %q: %+v", shown(), want, n.Stats())
			}
		}
	}
	a, b := burning("a"), burning("b")
	a.StartsAt, b.StartsAt = time.Now(), time.Now()
	n.Notify([]Alert{a, b})
	await("a", "b")
	n.Notify([]Alert{b})
	await("b")
	// Without its memory it learns of what fires again.
	server.Stop()
	n.Notify([]Alert{a})
	server.Start()
	await("a")
}
