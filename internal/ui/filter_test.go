package ui

import (
	"errors"
	"net/url"
	"testing"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
)

func TestFilter_formFieldsBecomeParameters(t *testing.T) {
	for sent, want := range map[string]string{
		"/commands?text=&service=&failed=&finding=&min_duration=&range=-1h&order=&from=-1h&to=": "/commands?from=-1h",
		"/commands?range=-15m&from=-1h&to=2026-11-21T20:00:00Z":                                 "/commands?from=-15m",
		"/commands?range=exact&from=2026-11-21T19:00:00Z&to=2026-11-21T20:00:00Z":               "/commands?from=2026-11-21T19%3A00%3A00Z&to=2026-11-21T20%3A00%3A00Z",
		"/commands?finding=any&rule=zombie":                                                     "/commands?findings=true",
		"/commands?finding=zombie&findings=true":                                                "/commands?rule=zombie",
		"/commands?live=on&order=newest&failed=false":                                           "/commands",
		"/commands?text=+a+": "/commands?text=+a+",
	} {
		u, err := url.Parse(sent)
		if err != nil {
			t.Fatal(err)
		}
		_, err = readFilter(u, testNow(), probeExec)
		var elsewhere *redirect
		if errors.As(err, &elsewhere) {
			if elsewhere.to != want {
				t.Errorf("%s leads to %s, want %s", sent, elsewhere.to, want)
			}
		} else if sent != want {
			t.Errorf("%s: %v, want %s", sent, err, want)
		}
	}
}

func TestFilter_isTheSameAfterARoundTrip(t *testing.T) {
	for _, address := range []string{
		"/commands", "/commands?live=off", "/commands?view=tree", "/commands?failed=true&from=-6h&min_duration=150ms&order=slowest&rule=zombie&service=shop&text=a%26b",
		"/commands?from=2026-11-20T10%3A00%3A00Z&pid=7&to=2026-11-20T11%3A00%3A00Z&where=code.line.number%3D64&where=code.function.name%3Dmain.main",
		"/commands?after=abc&limit=7", "/events?probe=tcp&service=shop",
	} {
		f := filterOf(t, address)
		if got := f.Here(); got != address {
			t.Errorf("%s becomes %s", address, got)
		}
	}
}

func filterOf(t *testing.T, address string) *Filter {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	f, err := readFilter(u, testNow(), "")
	if err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	return f
}

func TestFilter_isLiveOnlyWhereNewRowsComeFirst(t *testing.T) {
	for address, live := range map[string]bool{
		"/commands": true, "/commands?from=-6h": true, "/commands?live=off": false, "/commands?order=slowest": false,
		"/commands?after=x": false, "/commands?to=2026-11-20T11:00:00Z": false,
	} {
		f := filterOf(t, address)
		if f.Live != live {
			t.Errorf("%s: live %v", address, f.Live)
		}
		stream, err := url.Parse(f.Stream())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v1.ParseFeedQuery(stream.Query()); err != nil {
			t.Errorf("%s: the stream %s: %v", address, f.Stream(), err)
		}
	}
}

func TestFilter_chipsTakeOneConditionAway(t *testing.T) {
	f := filterOf(t, "/commands?pid=7&service=shop&where=a%3D1&where=b%3D2")
	chips := f.Chips()
	if len(chips) != 3 || chips[0].Text != "a = 1" || chips[0].Href != "/commands?pid=7&service=shop&where=b%3D2" || chips[2].Href != "/commands?service=shop&where=a%3D1&where=b%3D2" {
		t.Errorf("got %+v", chips)
	}
	if !f.Filtered() || f.Clear() != "/commands" || filterOf(t, "/commands?from=-6h").Filtered() {
		t.Errorf("clear leads to %s", f.Clear())
	}
}

func TestFilter_refusesWhatTheAPIDoes(t *testing.T) {
	for _, address := range []string{"/commands?nonsense=1", "/commands?from=yesterday", "/commands?min_duration=-1s", "/commands?limit=0", "/commands?pid=x"} {
		w := get(t, serve(plainAPI()), address)
		if w.status != 400 {
			t.Errorf("%s answers %d", address, w.status)
		}
	}
}
