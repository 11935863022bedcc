package v1

import (
	"errors"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

func TestParseEventQuery_readsAllParameters(t *testing.T) {
	values, err := url.ParseQuery("probe=exec&service=shop&pid=7&from=2026-11-21T20:00:00.5%2B01:00&to=-1m&where=a.b=c=d&where=e=" +
		"&text=x y&failed=true&findings=true&rule=zombie&min_duration=1.5s&order=slowest&after=abc&limit=5")
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseEventQuery(values)
	if err != nil {
		t.Fatal(err)
	}
	want := EventQuery{
		Probe: "exec", Service: "shop", PID: 7,
		From: Moment{At: time.Date(2026, 11, 21, 19, 0, 0, 5e8, time.UTC)}, To: Moment{Ago: time.Minute},
		Where: []Match{{"a.b", "c=d"}, {"e", ""}}, Text: "x y", Failed: true, Findings: true, Rule: "zombie",
		MinDuration: 1500 * time.Millisecond, Order: OrderSlowest, After: "abc", Limit: 5,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if n := len(EventParameters()); n != len(values) {
		t.Errorf("%d parameters are known, and %d were given", n, len(values))
	}
	now := time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)
	m := got.Model(now)
	if m.Order != model.SlowestFirst || m.Limit != 5 || !m.To.Equal(now.Add(-time.Minute)) || !m.From.Equal(want.From.At) || m.Where[0] != (model.Match{Key: "a.b", Value: "c=d"}) {
		t.Errorf("as of now the store is asked %+v", m)
	}
}

func TestParse_whatIsLeftOutOrSpelledOutIsTheDefault(t *testing.T) {
	for _, text := range []string{"", "probe=&service=&from=&where=&failed=&limit=", "order=newest&failed=false&min_duration=0s"} {
		values, _ := url.ParseQuery(text)
		q, err := ParseEventQuery(values)
		if err != nil || !reflect.DeepEqual(q, EventQuery{}) || len(q.Values()) != 0 {
			t.Errorf("%q is %+v, %v; want the zero query", text, q, err)
		}
	}
	q, err := ParseRollupQuery(url.Values{"by": {"service"}, "step": {""}})
	if err != nil || !reflect.DeepEqual(q, RollupQuery{}) || len(q.Values()) != 0 {
		t.Errorf("got %+v, %v; want the zero query", q, err)
	}
	if m := (EventQuery{}).Model(time.Now()); m.Limit != DefaultLimit || !m.From.IsZero() || !m.To.IsZero() {
		t.Errorf("the zero query asks the store %+v", m)
	}
}

func TestParse_refuses(t *testing.T) {
	events := func(v url.Values) error { _, err := ParseEventQuery(v); return err }
	feed := func(v url.Values) error { _, err := ParseFeedQuery(v); return err }
	waterfall := func(v url.Values) error { _, _, err := ParseWaterfallQuery(v); return err }
	rollups := func(v url.Values) error { _, err := ParseRollupQuery(v); return err }
	tests := []struct {
		name  string
		parse func(url.Values) error
		query string
		want  string // of the error
		hint  string
	}{
		{"an unknown parameter", events, "colour=red", `parameter colour="red": there is no such parameter here`, "the parameters are probe, service, pid, from"},
		{"a parameter given twice", events, "probe=exec&probe=tcp", `parameter probe="tcp": is given twice`, "give probe once"},
		{"a pid that is none", events, "pid=x", `parameter pid="x": is not a process id`, "4711"},
		{"pid 0", events, "pid=0", `parameter pid="0": is not a process id`, ""},
		{"a pid that is too large", events, "pid=4294967296", `parameter pid="4294967296": is not a process id`, ""},
		{"a time that is none", events, "from=yesterday", `parameter from="yesterday": is neither a time nor a duration before now`, "-1h30m"},
		{"a time zone whose plus was lost", events, "from=2026-11-21T20:00:00+01:00", `is neither a time`, "%2B"},
		{"a time of long ago", events, "from=1492-10-12T00:00:00Z", `is a time before 1970 or after 2261`, ""},
		{"a duration after now", events, "to=1h", `is neither a time`, ""},
		{"a duration of nothing", events, "to=-0s", `is now`, ""},
		{"times in the wrong order", events, "from=2026-11-21T20:00:00Z&to=2026-11-21T20:00:00Z", `parameter from="2026-11-21T20:00:00Z": is not before to=2026-11-21T20:00:00Z`, "exchange"},
		{"durations in the wrong order", rollups, "from=-1m&to=-1h", `parameter from="-1m": is not before to=-1h`, "exchange"},
		{"a match without equals sign", events, "where=a", `parameter where="a": has no equals sign`, "key=value"},
		{"a match without key", events, "where==a", `has no key before the equals sign`, "key=value"},
		{"too many matches", events, strings.Repeat("where=a=b&", 17), `is one too many, the most are 16`, ""},
		{"a truth that is none", events, "failed=1", `parameter failed="1": is neither true nor false`, "write true"},
		{"a duration without unit", events, "min_duration=5", `parameter min_duration="5": is not a duration`, "1.5s"},
		{"a negative duration", events, "min_duration=-5s", `is negative`, ""},
		{"an unknown order", events, "order=best", `parameter order="best": is not an order`, "newest or slowest"},
		{"limit 0", events, "limit=0", `parameter limit="0": is not a number from 1 to 1000`, "after"},
		{"a limit that is too high", events, "limit=1001", `is not a number from 1 to 1000`, ""},
		{"an endless text", events, "text=" + strings.Repeat("x", 5000), `parameter text="` + strings.Repeat("x", 100) + `…": is longer than 4096 bytes`, ""},
		{"of two bad ones the first by name", events, "pid=x&limit=x", `parameter limit="x"`, ""},
		{"pages of live events", feed, "limit=5", `there is no such parameter here`, "probe, service, pid, where"},
		{"the time of live events", feed, "from=-1h", `there is no such parameter here`, ""},
		{"an order of a waterfall", waterfall, "order=slowest", `there is no such parameter here`, "root"},
		{"a root that is none", waterfall, "root=x", `parameter root="x": is not the id of an event`, ""},
		{"a root and more", waterfall, "root=exec-a-b-c&service=x", `parameter root="exec-a-b-c": goes with no other`, ""},
		{"a step that is not kept", rollups, "step=15s", `parameter step="15s": is not a multiple of 10s`, "1m"},
		{"a step of nothing", rollups, "step=0s", `is not a multiple of 10s`, ""},
		{"an unknown way to tell apart", rollups, "by=pid", `parameter by="pid": tells nothing apart`, "service or group"},
		{"text in rollups", rollups, "text=x", `there is no such parameter here`, "step, by"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			values, err := url.ParseQuery(tt.query)
			if err != nil {
				t.Fatal(err)
			}
			err = tt.parse(values)
			var p *ParameterError
			if !errors.As(err, &p) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(p.Hint, tt.hint) || p.Hint == "" {
				t.Fatalf("%v, hint %q; want %q and %q", err, p.Hint, tt.want, tt.hint)
			}
			if strings.Contains(err.Error(), "strconv") || strings.Contains(err.Error(), "time:") {
				t.Errorf("%v: tells how it was parsed", err)
			}
		})
	}
}

func TestMoment_movesWithTheClock(t *testing.T) {
	now := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	for _, tt := range []struct{ text, canonical, at string }{
		{"", "", "0001-01-01T00:00:00Z"},
		{"-1h", "-1h", "2026-11-21T19:00:00Z"},
		{"-90m", "-1h30m", "2026-11-21T18:30:00Z"},
		{"-1h0m30s", "-1h0m30s", "2026-11-21T18:59:30Z"},
		{"-72h", "-72h", "2026-11-18T20:00:00Z"},
		{"-1.5s", "-1.5s", "2026-11-21T19:59:58.5Z"},
		{"-10m", "-10m", "2026-11-21T19:50:00Z"},
		{"2026-11-21T20:00:00.5+01:00", "2026-11-21T19:00:00.5Z", "2026-11-21T19:00:00.5Z"},
	} {
		var m Moment
		if tt.text != "" {
			var err error
			if m, err = ParseMoment(tt.text); err != nil {
				t.Fatalf("%s: %v", tt.text, err)
			}
		}
		if got := m.Resolve(now).Format(time.RFC3339Nano); m.String() != tt.canonical || got != tt.at {
			t.Errorf("%q is %q and means %s, want %q and %s", tt.text, m, got, tt.canonical, tt.at)
		}
	}
}

func FuzzParseEventQuery(f *testing.F) {
	f.Add("probe=exec&service=shop&pid=7&from=-1h&to=2026-11-21T20:00:00Z&where=a=b&where=c=&text=x&failed=true&min_duration=1.5s&order=slowest&after=x&limit=5")
	f.Add("order=newest&findings=false&rule=zombie&min_duration=2562047h47m16.854775807s")
	f.Add("from=-2562047h47m16.854775808s")
	f.Fuzz(func(t *testing.T, text string) {
		values, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		q, err := ParseEventQuery(values)
		if err != nil {
			roundTripError(t, err)
			return
		}
		again, err := ParseEventQuery(q.Values())
		if err != nil || !reflect.DeepEqual(again, q) {
			t.Fatalf("%q is %+v, and then %+v, %v", text, q, again, err)
		}
		if m := q.Model(time.Now()); m.Limit < 1 || m.Limit > MaxLimit {
			t.Errorf("limit %d", m.Limit)
		}
	})
}

func FuzzParseRollupQuery(f *testing.F) {
	f.Add("probe=exec&service=shop&from=-1h&to=-1m&step=1m&by=group")
	f.Add("probe=http&by=http.route,http.request.method&where=goshawk.role=server&where=http.route=/a=b&buckets=true")
	f.Fuzz(func(t *testing.T, text string) {
		values, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		q, err := ParseRollupQuery(values)
		if err != nil {
			roundTripError(t, err)
			return
		}
		again, err := ParseRollupQuery(q.Values())
		if err != nil || !reflect.DeepEqual(again, q) {
			t.Fatalf("%q is %+v, and then %+v, %v", text, q, again, err)
		}
		if q.Step%model.RollupStep != 0 || q.Step < 0 {
			t.Errorf("step %s", q.Step)
		}
	})
}

// roundTripError checks that an error says all that it should.
func roundTripError(t *testing.T, err error) {
	t.Helper()
	var p *ParameterError
	if !errors.As(err, &p) || p.Cause == "" || p.Hint == "" {
		t.Errorf("%v: lacks a cause or a hint", err)
	}
}
