package startup

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
)

// testSchema has all keys, each once.
func testSchema() *model.Schema {
	s := &model.Schema{Probe: "startup"}
	for _, key := range []string{
		KeyKind, KeyName, KeyWithin, KeyBegin, KeyCPU, KeyRunDelay, KeyOffCPU, KeyThrottled, KeySyscalls, KeySyscallTime, KeyObserved,
		KeyMinorFaults, KeyMajorFaults, KeyOperand, KeyResult, KeyAddress, KeyExe, KeyArgs, KeyGoVersion, KeyPID, KeyEnded,
		KeyExitCode, KeySignal, KeyChildren, KeyThreads, KeyLost, KeyUnseen, KeyGoDebug, KeyDefaultGoDebug, KeyGoMaxProcs,
		KeyGoProxy, KeyCPUs, KeyQuota, KeyThrottles,
	} {
		s.Fields = append(s.Fields, model.Field{Key: key})
	}
	return s
}

func execTime() time.Time { return time.Unix(1_700_000_000, 0) }

// script writes events:
//
//	start took=50ms go=go1.26.0 exe=/srv/shop args=shop,-v …
//	phase NAME BEGIN DURATION cpu=… delay=… off=… throttled=… sys=… systime=… observed=… minor=… major=… within=… address=…
//	package NAME BEGIN DURATION …
//	  call NAME BEGIN DURATION result=… operand=…
//
// A call is of the phase or package above it; CPU time is what is left of a
// duration, or with unknown=all not told. An operand may have no blanks; ␣ stands
// for one.
type script struct {
	schema *model.Schema
	trace  model.TraceID
	spans  int
	last   model.SpanID
	events []*model.Event
}

func parseScript(t testing.TB, text string) []*model.Event {
	t.Helper()
	s := &script{schema: testSchema(), trace: model.TraceID{1}}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if err := s.line(words); err != nil {
			t.Fatalf("%s: %v", strings.TrimSpace(line), err)
		}
	}
	return s.events
}

// parseStart returns the start that a script is about.
func parseStart(t testing.TB, text string) *Start {
	t.Helper()
	s, err := Read(parseScript(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *script) span() model.SpanID {
	s.spans++
	return model.SpanID{byte(s.spans >> 8), byte(s.spans), 1}
}

func (s *script) set(e *model.Event, key string, v model.Value) { e.Values[s.schema.Index(key)] = v }

func (s *script) line(words []string) error {
	e := new(model.Event)
	e.Reset(s.schema)
	e.TraceID, e.Time, e.PID = s.trace, execTime(), 42
	kinds := map[string]string{"start": KindStart, "phase": KindPhase, "package": KindPackage, "call": KindSyscall}
	kind, settings := kinds[words[0]], words[1:]
	s.set(e, KeyKind, model.StringValue(kind))
	if kind != KindStart {
		if len(words) < 4 {
			return fmt.Errorf("want a name, when it began and how long it took")
		}
		begin, err := time.ParseDuration(words[2])
		took, err2 := time.ParseDuration(words[3])
		if err = cmp.Or(err, err2); err != nil {
			return err
		}
		settings = words[4:]
		s.set(e, KeyName, model.StringValue(words[1]))
		s.set(e, KeyBegin, model.DurationValue(begin))
		e.Time, e.Duration = execTime().Add(begin), took
	}
	e.SpanID = s.span()
	switch kind {
	case KindPhase, KindPackage:
		s.last = e.SpanID
	case KindSyscall:
		e.ParentSpanID = s.last
	case "":
		return fmt.Errorf("unknown kind")
	}
	for _, setting := range settings {
		key, value, _ := strings.Cut(setting, "=")
		if err := s.setting(e, key, strings.ReplaceAll(value, "␣", " ")); err != nil {
			return err
		}
	}
	if kind == KindPhase || kind == KindPackage {
		if i := s.schema.Index(KeyCPU); !e.Values[i].IsSet() && !slices.Contains(settings, "unknown=all") {
			e.Values[i] = model.DurationValue(max(0, e.Duration-e.Get(KeyRunDelay).Duration()-e.Get(KeyOffCPU).Duration()))
		}
	}
	s.events = append(s.events, e)
	return nil
}

func (s *script) setting(e *model.Event, key, value string) error {
	durations := map[string]string{"cpu": KeyCPU, "delay": KeyRunDelay, "off": KeyOffCPU, "throttled": KeyThrottled, "systime": KeySyscallTime, "observed": KeyObserved}
	numbers := map[string]string{
		"sys": KeySyscalls, "minor": KeyMinorFaults, "major": KeyMajorFaults, "result": KeyResult, "exit": KeyExitCode, "signal": KeySignal,
		"children": KeyChildren, "threads": KeyThreads, "lost": KeyLost, "gomaxprocs": KeyGoMaxProcs, "cpus": KeyCPUs, "quota": KeyQuota, "throttles": KeyThrottles,
	}
	texts := map[string]string{
		"within": KeyWithin, "address": KeyAddress, "operand": KeyOperand, "exe": KeyExe, "go": KeyGoVersion, "ended": KeyEnded,
		"godebug": KeyGoDebug, "built": KeyDefaultGoDebug,
	}
	if key == "unknown" {
		return nil
	}
	lists := map[string]string{"args": KeyArgs, "goproxy": KeyGoProxy, "unseen": KeyUnseen}
	switch {
	case key == "took" || durations[key] != "":
		d, err := time.ParseDuration(value)
		if key == "took" {
			e.Duration = d
			return err
		}
		s.set(e, durations[key], model.DurationValue(d))
		return err
	case numbers[key] != "":
		n, err := strconv.ParseInt(value, 10, 64)
		s.set(e, numbers[key], model.IntValue(n))
		return err
	case texts[key] != "":
		s.set(e, texts[key], model.StringValue(value))
	case lists[key] != "":
		s.set(e, lists[key], model.StringsValue(strings.ReplaceAll(value, ",", "\x00")+"\x00"))
	default:
		return fmt.Errorf("unknown setting %s", key)
	}
	return nil
}
