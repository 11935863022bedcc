package cli

import (
	"context"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

// fakeRecorder has no probe: what that would tell is sent by tests.
func fakeRecorder() *recorder {
	return &recorder{path: "/srv/app", reader: startup.NewReader(), starts: make(chan *startup.Start, 64), reached: make(chan string, 64)}
}

func TestRecorder_awaitsTheLastStartThatWasAttachedTo(t *testing.T) {
	start := func(exe string, ended startup.Ended, phases ...string) *startup.Start {
		s := &startup.Start{Exe: exe, Ended: ended}
		for _, name := range phases {
			s.Phases = append(s.Phases, startup.Phase{Name: name})
		}
		return s
	}
	const loader, entry = startup.Loader, startup.RuntimeEntry
	for _, tt := range []struct {
		name   string
		starts []*startup.Start
		want   int
		unseen string
	}{
		{"one program", []*startup.Start{start("/srv/app", startup.EndedExit, loader, entry)}, 0, ""},
		{"a program that another one executes", []*startup.Start{start("/srv/app", startup.EndedExec, loader, entry), start("/bin/sleep", startup.EndedExit, loader)}, 0, "the program that it executed then: sleep"},
		{"a chain of programs", []*startup.Start{
			start("/srv/app", startup.EndedExec, loader, entry), start("/bin/sleep", startup.EndedExec, loader), start("/bin/sleep", startup.EndedExit, loader),
		}, 0, "the 2 programs that it executed then, the last of which is sleep"},
		{"one of them unknown", []*startup.Start{start("/srv/app", startup.EndedExec, loader, entry), start("", startup.EndedExit, loader)}, 0, "the program that it executed then"},
		{"itself once more", []*startup.Start{start("/srv/app", startup.EndedExec, loader, entry), start("/srv/app", startup.EndedExit, loader, entry)}, 1, ""},
		{"itself once more, by a shell", []*startup.Start{
			start("/srv/app", startup.EndedExec, loader, entry), start("/bin/sh", startup.EndedExec, loader), start("/srv/app", startup.EndedExit, loader, entry),
		}, 2, ""},
		{"a program that never reaches its entry", []*startup.Start{start("/srv/app", startup.EndedExit, loader)}, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := fakeRecorder()
			for _, s := range tt.starts {
				r.starts <- s
			}
			got, err := r.await(1)
			if err != nil || got != tt.starts[tt.want] {
				t.Fatalf("%+v, %v; want the start %d", got, err, tt.want)
			}
			if len(got.Unseen) == 0 && tt.unseen == "" {
				return
			}
			if len(got.Unseen) != 1 || got.Unseen[0].What != tt.unseen || !strings.Contains(got.Unseen[0].Why, "/srv/app") {
				t.Errorf("unseen %+v, want %q", got.Unseen, tt.unseen)
			}
		})
	}
}

// event is one of the startup probe.
func event(kind, name string) *model.Event {
	schema := &model.Schema{Probe: startupProbe, Fields: []model.Field{{Key: startup.KeyKind}, {Key: startup.KeyName}}}
	e := new(model.Event)
	e.Reset(schema)
	e.Values[0], e.Values[1] = model.StringValue(kind), model.StringValue(name)
	return e
}

func TestRecorder_observeEndsAtWhatIsWaitedFor(t *testing.T) {
	for _, tt := range []struct {
		name, until string
		events      []*model.Event
		want        startup.Ended
	}{
		{"main.main of a program without inits", "main", []*model.Event{event(startup.KindPhase, startup.SchedInit), event(startup.KindMark, startup.Main)}, startup.EndedMain},
		{"the inits of packages are not all there is before main.main", "main", []*model.Event{event(startup.KindPhase, startup.PackageInits)}, ""},
		{"the package main is not main.main", "main", []*model.Event{event(startup.KindPackage, startup.Main)}, ""},
		{"the first listen", "listen", []*model.Event{event(startup.KindMark, startup.Main), event(startup.KindPhase, startup.FirstListen)}, startup.EndedListen},
		{"the first connection", "accept", []*model.Event{event(startup.KindPhase, startup.FirstListen), event(startup.KindPhase, startup.FirstAccept)}, startup.EndedAccept},
		{"the first response", "response", []*model.Event{event(startup.KindPhase, startup.FirstListen), event(startup.KindPhase, startup.FirstResponse)}, startup.EndedResponse},
		{"nothing more after the first listen", "response", []*model.Event{event(startup.KindPhase, startup.FirstListen)}, startup.EndedTimeout},
		{"nothing ends it but its end", "exit", []*model.Event{event(startup.KindPhase, startup.FirstListen), event(startup.KindPhase, startup.FirstResponse)}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := fakeRecorder()
			for _, e := range tt.events {
				r.consume(e)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tt.want != startup.EndedTimeout {
				// What was sent is looked at before anything else can happen.
				go func() {
					for len(r.reached) > 0 {
						time.Sleep(time.Millisecond)
					}
					cancel()
				}()
			}
			if tt.want == "" {
				tt.want = startup.EndedInterrupted
			}
			if got := r.observe(ctx, &startOptions{Until: tt.until, Wait: time.Millisecond}, nil); got != tt.want {
				t.Errorf("it ends by %q, want %q", got, tt.want)
			}
		})
	}
}

func TestRecorder_completeForgetsWhatCameAfterWeEndedIt(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name   string
		reason startup.Ended
		ended  startup.Ended
		took   time.Duration
		main   time.Duration
		phases []string
	}{
		{"at main.main", startup.EndedMain, startup.EndedExit, 10 * ms, 0, []string{startup.Loader, startup.Main}},
		{"at the first listen", startup.EndedListen, startup.EndedExit, 20 * ms, 10 * ms, []string{startup.Loader, startup.Main, startup.FirstListen}},
		{"at the first connection", startup.EndedAccept, startup.EndedExit, 30 * ms, 20 * ms, []string{startup.Loader, startup.Main, startup.FirstListen, startup.FirstAccept}},
		{"at the first response", startup.EndedResponse, startup.EndedExit, 35 * ms, 25 * ms, []string{startup.Loader, startup.Main, startup.FirstListen, startup.FirstAccept, startup.FirstResponse}},
		{"interrupted", startup.EndedInterrupted, startup.EndedExit, 40 * ms, 30 * ms, []string{startup.Loader, startup.Main, startup.FirstListen, startup.FirstAccept, startup.FirstResponse}},
		{"by itself", startup.EndedExit, startup.EndedExit, 60 * ms, 50 * ms, []string{startup.Loader, startup.Main, startup.FirstListen, startup.FirstAccept, startup.FirstResponse, "at_exit"}},
		{"by another program", startup.EndedInterrupted, startup.EndedExec, 60 * ms, 50 * ms, []string{startup.Loader, startup.Main, startup.FirstListen, startup.FirstAccept, startup.FirstResponse, "at_exit"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := func(name string, begin, took time.Duration) startup.Phase {
				return startup.Phase{Name: name, Usage: startup.Usage{Begin: begin, Duration: took}}
			}
			s := &startup.Start{Time: time.Unix(1, 0), Duration: 60 * ms, Ended: tt.ended, Exit: &startup.Exit{Signal: 15}, Phases: []startup.Phase{
				at(startup.Loader, 0, 10*ms), at(startup.Main, 10*ms, 50*ms), at(startup.FirstListen, 20*ms, 0), at(startup.FirstAccept, 30*ms, 0),
				at(startup.FirstResponse, 30*ms, 5*ms), at("at_exit", 41*ms, 0),
			}}
			fakeRecorder().complete(s, startOptions{Command: []string{"app"}, Env: []string{}}, tt.reason, s.Time.Add(40*ms))
			var phases []string
			for _, p := range s.Phases {
				phases = append(phases, p.Name)
			}
			if !slices.Equal(phases, tt.phases) || s.Duration != tt.took || s.Phase(startup.Main).Duration != tt.main {
				t.Errorf("%q, main %v, together %v; want %q, %v, %v", phases, s.Phase(startup.Main).Duration, s.Duration, tt.phases, tt.main, tt.took)
			}
			if byUs := tt.reason != startup.EndedExit && tt.ended == startup.EndedExit; (s.Exit == nil) != byUs || byUs && s.Ended != tt.reason {
				t.Errorf("ended by %q, %+v", s.Ended, s.Exit)
			}
		})
	}
}

// TestCollectLate changes what holds for the whole process, so that it runs alone.
func TestCollectLate(t *testing.T) {
	for _, tt := range []struct {
		name          string
		asked, during int
	}{
		{"as the runtime does by itself", 100, attachGCPercent},
		{"more often", 10, attachGCPercent},
		{"less often", 2 * attachGCPercent, 2 * attachGCPercent},
		{"never", -1, -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer debug.SetGCPercent(debug.SetGCPercent(tt.asked))
			percent := func() int {
				now := debug.SetGCPercent(tt.asked)
				debug.SetGCPercent(now)
				return now
			}
			collect := collectLate()
			if got := percent(); got != tt.during {
				t.Errorf("while it is put off: %d %%, want %d", got, tt.during)
			}
			collect()
			if got := percent(); got != tt.asked {
				t.Errorf("afterwards: %d %%, want %d", got, tt.asked)
			}
			collect() // a second time does nothing
		})
	}
}
