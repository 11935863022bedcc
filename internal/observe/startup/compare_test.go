package startup

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// program is how a simulated program starts. Runs of it are noisy: each interval
// takes up to 10 % longer, and sometimes a good deal.
type program struct {
	random   *rand.Rand
	packages map[string]time.Duration // medians, about
	listen   time.Duration
	kernel   time.Duration
	scale    float64 // of all that it computes
	delay    float64 // share of the time that it is not running
	throttle float64
	change   func(*Start)
}

func newProgram(seed uint64) *program {
	p := &program{random: rand.New(rand.NewPCG(seed, 99)), packages: make(map[string]time.Duration), listen: 2 * time.Millisecond, kernel: 300 * time.Microsecond, scale: 1}
	for i := range 60 {
		p.packages[fmt.Sprintf("example.com/p%02d", i)] = time.Duration(5+i*i/3) * time.Microsecond
	}
	return p
}

func (p *program) noisy(d time.Duration) time.Duration {
	factor := 1 + 0.05*p.random.ExpFloat64()
	if p.random.IntN(50) == 0 {
		factor += 0.5
	}
	return time.Duration(float64(d) * factor * p.scale)
}

// usage returns an interval that takes so long without the machine's part.
func (p *program) usage(begin, own time.Duration) Usage {
	u := Usage{Begin: begin, CPU: own, Duration: own}
	lost := p.delay + p.throttle
	if lost > 0 {
		u.RunDelay = time.Duration(float64(own) * lost / (1 - lost) * (0.8 + 0.4*p.random.Float64()))
		u.Throttled = time.Duration(float64(u.RunDelay) * p.throttle / lost)
		u.Duration += u.RunDelay
	}
	return u
}

func (p *program) start() *Start {
	s := &Start{Command: []string{"shop", "-v"}, Exe: "/srv/shop", GoVersion: "go1.26.0", Exit: &Exit{}, Facts: Facts{CPUs: 2}}
	at := time.Duration(0)
	phase := func(name string, own time.Duration) {
		s.Phases = append(s.Phases, Phase{Name: name, Usage: p.usage(at, p.noisy(own))})
		at = s.Phases[len(s.Phases)-1].End()
	}
	phase(KernelExec, p.kernel)
	s.Phases[0].Begin, at = -s.Phases[0].Duration, 0
	phase(Loader, 400*time.Microsecond)
	phase(SchedInit, 600*time.Microsecond)
	phase(GCEnable, 200*time.Microsecond)
	inits := Usage{Begin: at}
	names := make([]string, 0, len(p.packages))
	for name := range p.packages {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		u := p.usage(at, p.noisy(p.packages[name]))
		s.Packages = append(s.Packages, Package{Name: name, Usage: u})
		inits.Duration += u.Duration
		inits.merge(&Usage{Begin: at, CPU: u.CPU, RunDelay: u.RunDelay, Throttled: u.Throttled})
		at = u.End()
	}
	s.Phases = append(s.Phases, Phase{Name: PackageInits, Usage: inits})
	if p.listen > 0 {
		phase(Main, p.listen)
		s.Phases = append(s.Phases, Phase{Name: FirstListen, Usage: Usage{Begin: at}})
	} else {
		phase(Main, 50*time.Millisecond)
	}
	s.Duration = at
	if p.change != nil {
		p.change(s)
	}
	return s
}

func (p *program) runs(n int) []*Start {
	var all []*Start
	for range n {
		all = append(all, p.start())
	}
	return all
}

func TestCompare(t *testing.T) {
	const ms = time.Millisecond
	slowed := func(name string, by time.Duration) func(*program) {
		return func(p *program) { p.packages[name] += by }
	}
	for _, test := range []struct {
		name     string
		old, new func(*program)
		n, m     int
		want     Verdict
		reason   string
	}{
		{name: "the same program", n: 10, m: 10, want: VerdictSame},
		{name: "the same program, as few runs as may be", n: 5, m: 5, want: VerdictSame},
		{name: "an init of 30 ms more", new: slowed("example.com/p40", 30*time.Millisecond), n: 10, m: 10, want: VerdictWorse, reason: "example.com/p40"},
		{name: "an init of 30 ms more, five runs", new: slowed("example.com/p40", 30*time.Millisecond), n: 5, m: 5, want: VerdictWorse, reason: "example.com/p40"},
		{name: "an init of 30 ms more, but once of 15 ms, five runs", new: func(p *program) {
			n := 0
			p.change = func(s *Start) {
				n++
				wait(s, "example.com/p40", time.Duration(15+min(n, 2)*15)*time.Millisecond-15*time.Millisecond)
			}
		}, n: 5, m: 5, want: VerdictWorse, reason: "example.com/p40"},
		{name: "an init of 30 ms more, three runs", new: slowed("example.com/p40", 30*time.Millisecond), n: 3, m: 3, want: VerdictWorse, reason: "example.com/p40"},
		{name: "an init of 30 ms more, two runs", new: slowed("example.com/p40", 30*time.Millisecond), n: 2, m: 10, want: NoVerdict, reason: "too few runs: 2 old and 10 new, and"},
		{name: "an init of half as much again", new: slowed("example.com/p40", 270*time.Microsecond), n: 10, m: 10, want: VerdictWorse, reason: "example.com/p40"},
		{name: "an init of half as much again, four runs", new: slowed("example.com/p40", 270*time.Microsecond), n: 4, m: 4, want: NoVerdict, reason: "too few"},
		{name: "an init of 40 µs more", new: slowed("example.com/p10", 40*time.Microsecond), n: 10, m: 10, want: VerdictSame},
		{name: "an init of 10 % more", new: slowed("example.com/p40", 54*time.Microsecond), n: 10, m: 10, want: VerdictSame},
		{name: "an init of 30 ms less", old: slowed("example.com/p40", 30*time.Millisecond), n: 10, m: 10, want: VerdictBetter, reason: "the init of example.com/p40 takes"},
		{name: "one faster and one slower", old: slowed("example.com/p40", 30*time.Millisecond), new: slowed("example.com/p41", 2*time.Millisecond), n: 10, m: 10, want: VerdictWorse, reason: "the init of example.com/p41 takes"},
		{name: "it listens 5 ms later", new: func(p *program) { p.listen += 5 * time.Millisecond }, n: 10, m: 10, want: VerdictWorse, reason: "exec to the first listen takes"},
		{name: "main of what does not listen takes longer", old: func(p *program) { p.listen = 0 }, new: func(p *program) {
			p.listen = 0
			p.change = func(s *Start) { s.Phase(Main).Duration *= 2 }
		}, n: 10, m: 10, want: VerdictSame},
		{name: "all packages take 1.5 times as long", new: func(p *program) {
			for name := range p.packages {
				p.packages[name] = p.packages[name] * 3 / 2
			}
		}, n: 10, m: 10, want: VerdictWorse, reason: "package_inits takes"},
		{name: "all takes 1.5 times as long, the kernel's part too", new: func(p *program) { p.scale = 1.5 }, n: 10, m: 10, want: NoVerdict, reason: "the machine differs"},
		{name: "all takes 1.15 times as long, the kernel's part too", new: func(p *program) { p.scale = 1.15 }, n: 10, m: 10, want: VerdictSame},
		{name: "all is faster by a tenth, the kernel's part too", old: func(p *program) { p.scale = 1.1 }, n: 10, m: 10, want: VerdictSame},
		{name: "all takes 1.1 times as long, and an init of 30 ms", new: func(p *program) { p.scale = 1.1; p.packages["example.com/p40"] += 30 * time.Millisecond }, n: 10, m: 10, want: VerdictWorse, reason: "example.com/p40"},
		{name: "all is faster, the kernel's part too", old: func(p *program) { p.scale = 1.5 }, n: 10, m: 10, want: NoVerdict, reason: "the machine differs"},
		{name: "hogs, alike on both sides", old: func(p *program) { p.delay = 0.6 }, new: func(p *program) { p.delay = 0.6 }, n: 10, m: 10, want: VerdictSame},
		{name: "hogs on the new side", new: func(p *program) { p.delay = 0.6 }, n: 10, m: 10, want: NoVerdict, reason: "not equally busy: of the time that it wanted a CPU the median run had none for 0 % on the old side"},
		{name: "hogs on the new side, and a slow init", new: func(p *program) { p.delay = 0.6; p.packages["example.com/p40"] *= 9 }, n: 10, m: 10, want: NoVerdict, reason: "not equally busy"},
		{name: "some run delay more is no matter", new: func(p *program) { p.delay = 0.08 }, n: 10, m: 10, want: VerdictSame},
		{name: "some runs starved", new: func(p *program) { p.change = everyOther(starve) }, n: 10, m: 10, want: VerdictSame},
		{name: "some runs starved, and too few that are not", new: func(p *program) { p.change = everyOther(starve) }, n: 10, m: 8, want: NoVerdict, reason: "not equally busy"},
		{name: "some runs starved, and a slow init", new: func(p *program) { p.change = everyOther(starve); p.packages["example.com/p40"] *= 2 }, n: 10, m: 10, want: VerdictWorse, reason: "example.com/p40"},
		{name: "an init that waits, on a machine that is a bit busy", old: func(p *program) { p.delay = 0.13 }, new: func(p *program) {
			p.delay = 0.13
			p.change = func(s *Start) { wait(s, "example.com/p40", 300*time.Millisecond) }
		}, n: 10, m: 10, want: VerdictWorse, reason: "package_inits takes 32"},
		{name: "throttled", new: func(p *program) { p.throttle = 0.5 }, n: 10, m: 10, want: NoVerdict, reason: "throttled 10 of 10 new runs for"},
		{name: "both throttled", old: func(p *program) { p.throttle = 0.5 }, new: func(p *program) { p.throttle = 0.5 }, n: 10, m: 10, want: NoVerdict, reason: "throttled 10 of 10 old runs for"},
		{name: "two threads compute before it listens, for twice as long", old: inMain(Usage{Duration: 65 * ms, CPU: 130 * ms}), new: inMain(Usage{Duration: 128 * ms, CPU: 256 * ms}), n: 10, m: 10, want: VerdictWorse, reason: "exec to the first listen takes 15"},
		{name: "six threads compute on two CPUs before it listens, for twice as long", old: inMain(Usage{Duration: 65 * ms, CPU: 130 * ms, RunDelay: 260 * ms}), new: inMain(Usage{Duration: 128 * ms, CPU: 256 * ms, RunDelay: 512 * ms}), n: 10, m: 10, want: VerdictWorse, reason: "exec to the first listen takes"},
		{name: "main waits for twice as long, while some threads are ready", old: inMain(Usage{Duration: 65 * ms, CPU: 20 * ms, RunDelay: 70 * ms}), new: inMain(Usage{Duration: 128 * ms, CPU: 40 * ms, RunDelay: 140 * ms}), n: 10, m: 10, want: VerdictWorse, reason: "exec to the first listen takes"},
		{name: "threads are ready in main of the new side alone", old: inMain(Usage{Duration: 65 * ms, CPU: 65 * ms}), new: inMain(Usage{Duration: 128 * ms, CPU: 128 * ms, RunDelay: 256 * ms}), n: 10, m: 10, want: NoVerdict, reason: "on the way to the first listen the threads of the median run had no CPU for 0 %"},
		{name: "threads are ready in main of the new side alone, and a slow init", old: inMain(Usage{Duration: 65 * ms, CPU: 65 * ms}), new: func(p *program) {
			inMain(Usage{Duration: 128 * ms, CPU: 128 * ms, RunDelay: 256 * ms})(p)
			p.packages["example.com/p40"] *= 9
		}, n: 10, m: 10, want: VerdictWorse, reason: "the init of example.com/p40 takes"},
		{name: "threads compute for twice as long, and how many are ready differs", old: inMain(Usage{Duration: 65 * ms, CPU: 130 * ms, RunDelay: 400 * ms}), new: inMain(Usage{Duration: 128 * ms, CPU: 256 * ms, RunDelay: 100 * ms}), n: 10, m: 10, want: VerdictWorse, reason: "exec to the first listen takes 155ms instead of 91"},
		{name: "threads compute for half as long, and how many are ready differs", old: inMain(Usage{Duration: 128 * ms, CPU: 256 * ms, RunDelay: 100 * ms}), new: inMain(Usage{Duration: 40 * ms, CPU: 80 * ms, RunDelay: 250 * ms}), n: 10, m: 10, want: VerdictBetter, reason: "exec to the first listen takes 66"},
		{name: "hogs from main.main on", old: inMain(Usage{Duration: 65 * ms, CPU: 130 * ms}), new: inMain(Usage{Duration: 200 * ms, CPU: 150 * ms, RunDelay: 250 * ms}), n: 10, m: 10, want: NoVerdict, reason: "on the way to the first listen"},
		{name: "main is throttled, on two CPUs", old: inMain(Usage{Duration: 65 * ms, CPU: 130 * ms}), new: inMain(Usage{Duration: 400 * ms, CPU: 130 * ms, OffCPU: 400 * ms, Throttled: 670 * ms}), n: 10, m: 10, want: NoVerdict, reason: "throttled 10 of 10 new runs for more than 5 % of the time up to the first listen"},
		{name: "a new package with a slow init", new: slowed("example.com/new", 2*ms), n: 10, m: 10, want: VerdictWorse, reason: "the init of example.com/new takes 2.1"},
		{name: "a new package with a slow init, four runs", new: slowed("example.com/new", 400*time.Microsecond), n: 4, m: 4, want: NoVerdict, reason: "too few"},
		{name: "a new package with a slow init, four old runs", new: slowed("example.com/new", 400*time.Microsecond), n: 4, m: 9, want: NoVerdict, reason: "too few"},
		{name: "a new package with a slow init in all runs but one", new: func(p *program) {
			slowed("example.com/new", 400*time.Microsecond)(p)
			p.change = once(func(s *Start) {
				s.Packages = slices.DeleteFunc(s.Packages, func(p Package) bool { return p.Name == "example.com/new" })
			})
		}, n: 10, m: 10, want: VerdictSame},
		{name: "a new package with a quick init", new: slowed("example.com/new", 45*time.Microsecond), n: 10, m: 10, want: VerdictSame},
		{name: "a package with a slow init is gone", old: slowed("example.com/old", 2*ms), n: 10, m: 10, want: VerdictBetter, reason: "the init of example.com/old, which took 2.0"},
		{name: "the new run dies in init", new: func(p *program) { p.change = diesInInit }, n: 10, m: 1, want: VerdictWorse, reason: "the new run failed before main.main"},
		{name: "no old runs", n: 0, m: 10, want: NoVerdict, reason: "no old run"},
		{name: "no runs", want: NoVerdict, reason: "no old run"},
		{name: "all new runs die in init", new: func(p *program) { p.change = diesInInit }, n: 10, m: 3, want: VerdictWorse, reason: "all 3 new runs failed before main.main"},
		{name: "all runs die in init", old: func(p *program) { p.change = diesInInit }, new: func(p *program) { p.change = diesInInit }, n: 10, m: 10, want: NoVerdict, reason: "no old run"},
		{name: "lost records", new: func(p *program) { p.change = func(s *Start) { s.Lost = 1 } }, n: 10, m: 10, want: NoVerdict, reason: "no new run reached main.main with nothing lost"},
	} {
		t.Run(test.name, func(t *testing.T) {
			old, new := newProgram(1), newProgram(2)
			for p, change := range map[*program]func(*program){old: test.old, new: test.new} {
				if change != nil {
					change(p)
				}
			}
			c := Compare(old.runs(test.n), new.runs(test.m))
			if c.Verdict != test.want || !strings.Contains(c.Reason, test.reason) || c.Reason == "" {
				t.Errorf("%s: %s; want %s: %s", c.Verdict, c.Reason, test.want, test.reason)
			}
		})
	}
}

// inMain has this happen between main.main and the first listen.
func inMain(u Usage) func(*program) {
	return func(p *program) {
		before := p.change
		p.change = func(s *Start) {
			if before != nil {
				before(s)
			}
			main := s.Phase(Main)
			noise := 1 + 0.01*p.random.Float64()
			scaled := func(d time.Duration) time.Duration { return time.Duration(float64(d) * noise) }
			main.Usage = Usage{
				Begin: main.Begin, Duration: scaled(u.Duration), CPU: scaled(u.CPU), RunDelay: scaled(u.RunDelay), OffCPU: scaled(u.OffCPU), Throttled: scaled(u.Throttled),
			}
			s.Phase(FirstListen).Begin = main.End()
		}
	}
}

// once changes the third start.
func once(change func(*Start)) func(*Start) {
	n := 0
	return func(s *Start) {
		if n++; n == 3 {
			change(s)
		}
	}
}

// everyOther changes every second start.
func everyOther(change func(*Start)) func(*Start) {
	n := 0
	return func(s *Start) {
		if n++; n%2 == 0 {
			change(s)
		}
	}
}

// starve makes a start wait for a CPU for as long again in all its phases, and
// somewhat longer by itself, as cold caches do.
func starve(s *Start) {
	at := time.Duration(0)
	for i := range s.Phases {
		p := &s.Phases[i]
		if p.Name == KernelExec {
			continue
		}
		p.RunDelay, p.CPU, p.Duration, p.Begin = p.Duration, p.CPU*3/2, p.Duration*5/2, at
		at = p.End()
	}
}

// wait makes a package's init wait for something.
func wait(s *Start, name string, d time.Duration) {
	longer := func(u *Usage) { u.Duration, u.OffCPU = u.Duration+d, u.OffCPU+d }
	after := false
	for i := range s.Packages {
		if after {
			s.Packages[i].Begin += d
		}
		if p := &s.Packages[i]; p.Name == name {
			longer(&p.Usage)
			after = true
		}
	}
	after = false
	for i := range s.Phases {
		if after {
			s.Phases[i].Begin += d
		}
		if p := &s.Phases[i]; p.Name == PackageInits {
			longer(&p.Usage)
			after = true
		}
	}
}

func diesInInit(s *Start) {
	s.Phases = slices.DeleteFunc(s.Phases, func(p Phase) bool { return p.Name == Main || p.Name == FirstListen })
	s.Exit = &Exit{Code: 2}
}

// TestCompare_namesWhatHasChanged changes one package of sixty: that one is
// significant, and nothing else: of the whole it is too little.
func TestCompare_namesWhatHasChanged(t *testing.T) {
	old, new := newProgram(3), newProgram(4)
	new.packages["example.com/p50"] *= 2
	delete(new.packages, "example.com/p03")
	new.packages["example.com/added"] = 10 * time.Microsecond
	c := Compare(old.runs(10), new.runs(10))
	var significant []string
	for _, deltas := range [][]Delta{{c.Total}, c.Phases, c.Packages} {
		for _, d := range deltas {
			if d.Significant {
				significant = append(significant, d.Name)
			}
			if d.Change != d.New.Median-d.Old.Median || d.MinChange != d.New.Min-d.Old.Min || d.Slower() && d.Faster() {
				t.Errorf("%+v does not agree with itself", d)
			}
		}
	}
	if got := strings.Join(significant, " "); got != "example.com/p50" {
		t.Errorf("significant: %s", got)
	}
	if len(c.Added) != 1 || c.Added[0].Name != "example.com/added" || len(c.Vanished) != 1 || c.Vanished[0].Name != "example.com/p03" {
		t.Errorf("added %v, vanished %v", c.Added, c.Vanished)
	}
	if c.Packages[0].Name != "example.com/p00" || !c.Packages[0].Package || c.Phases[0].Package {
		t.Errorf("the first package is %+v, the first phase %+v", c.Packages[0], c.Phases[0])
	}
	if math.Abs(c.Shift-1) > 0.1 || len(c.Packages) != 59 || len(c.Phases) != 7 {
		t.Errorf("shift %g, %d packages, %d phases", c.Shift, len(c.Packages), len(c.Phases))
	}
}

// TestCompare_seldomSeesWhatIsNotThere compares a program with itself a few
// hundred times: at most one comparison in a hundred may say that it changed.
func TestCompare_seldomSeesWhatIsNotThere(t *testing.T) {
	for _, n := range []int{3, 5, 10} {
		p := newProgram(5)
		wrong := 0
		const rounds = 200
		for range rounds {
			if c := Compare(p.runs(n), p.runs(n)); c.Verdict == VerdictWorse || c.Verdict == VerdictBetter {
				wrong++
			}
		}
		if wrong > rounds/100 {
			t.Errorf("%d runs: %d of %d comparisons of a program with itself see a difference", n, wrong, rounds)
		}
	}
}

// TestCompare_mirrored compares both ways: the verdicts are opposite.
func TestCompare_mirrored(t *testing.T) {
	opposite := map[Verdict]Verdict{VerdictSame: VerdictSame, NoVerdict: NoVerdict, VerdictWorse: VerdictBetter, VerdictBetter: VerdictWorse}
	random := rand.New(rand.NewPCG(6, 6))
	seen := make(map[Verdict]bool)
	for i := range 60 {
		old, new := newProgram(uint64(2*i)), newProgram(uint64(2*i+1))
		new.packages["example.com/p40"] = time.Duration(random.IntN(2_000_000))
		new.delay = float64(random.IntN(10)/8*50) / 100
		n := 3 + random.IntN(8)
		a, b := old.runs(n), new.runs(n)
		there, back := Compare(a, b), Compare(b, a)
		if back.Verdict != opposite[there.Verdict] {
			t.Errorf("%s: %s; back %s: %s", there.Verdict, there.Reason, back.Verdict, back.Reason)
		}
		seen[there.Verdict] = true
	}
	if len(seen) != 4 {
		t.Errorf("only the verdicts %v were seen", seen)
	}
}

func TestCompare_saysWhatElseDiffers(t *testing.T) {
	old, new := newProgram(7), newProgram(8)
	new.change = func(s *Start) {
		s.Exe, s.GoVersion, s.Command = "/srv/store", "go1.27.0", []string{"store", "-q"}
		s.Phases = slices.DeleteFunc(s.Phases, func(p Phase) bool { return p.Name == GCEnable })
		s.Phases = append(s.Phases, Phase{Name: GCInit, Within: SchedInit, Usage: Usage{Begin: 1, Duration: 1}})
	}
	runs := append(new.runs(10), nil)
	runs[3].Lost = 7
	diesInInit(runs[4])
	c := Compare(old.runs(10), runs)
	want := []string{
		"the program is shop of the old runs and store of the new ones",
		"the Go version is go1.26.0 of the old runs and go1.27.0 of the new ones",
		`the arguments are "-v" of the old runs and "-q" of the new ones`,
		"left out: 1 of 10 new runs, because main.main was not reached, or the way there not seen from exec on",
		"left out: 1 of 10 new runs, because records were lost",
		"only the new runs have the phase gcinit",
		"only the old runs have the phase gcenable",
	}
	if !slices.Equal(c.Notes, want) {
		t.Errorf("notes:\n%s", strings.Join(c.Notes, "\n"))
	}
	if c.New.Runs != 8 || c.New.Left != 2 || c.Old.Runs != 10 || c.New.GoVersion != "go1.27.0" || c.Verdict == NoVerdict {
		t.Errorf("new %+v, old %+v, %s: %s", c.New, c.Old, c.Verdict, c.Reason)
	}
}

func TestCompare_blamesNoPackageForWhatAllShare(t *testing.T) {
	old, new := newProgram(9), newProgram(10)
	for name := range new.packages {
		new.packages[name] = new.packages[name] * 3 / 2
	}
	new.packages["example.com/p40"] *= 4
	c := Compare(old.runs(10), new.runs(10))
	for _, d := range c.Packages {
		if d.Significant != (d.Name == "example.com/p40") {
			t.Errorf("%s: significant is %t: %+v", d.Name, d.Significant, d)
		}
	}
	if math.Abs(c.Shift-1.5) > 0.1 || c.Machine < 1 || c.Machine > 1.1 {
		t.Errorf("shift %g, machine %g", c.Shift, c.Machine)
	}
}

func TestCompare_withFewRunsAsksForFarApart(t *testing.T) {
	const ms = time.Millisecond
	starts := func(durations ...time.Duration) []*Start {
		var all []*Start
		for _, d := range durations {
			all = append(all, &Start{Phases: []Phase{{Name: Loader, Usage: Usage{Duration: d, CPU: d}}, {Name: Main, Usage: Usage{Begin: d, Duration: ms}}}})
		}
		return all
	}
	for _, test := range []struct {
		name     string
		old, new []*Start
		want     Verdict
	}{
		{"a gap of three times the range", starts(10*ms, 12*ms, 14*ms), starts(26*ms, 27*ms, 28*ms), NoVerdict},
		{"a gap of more", starts(10*ms, 12*ms, 14*ms), starts(27*ms, 28*ms, 29*ms), VerdictWorse},
		{"far apart, and too little", starts(100*ms, 100*ms, 100*ms), starts(140*ms, 140*ms, 140*ms), NoVerdict},
		{"far apart, and too short", starts(1*ms, 1*ms, 1*ms), starts(2*ms, 2*ms, 2*ms), NoVerdict},
		{"two runs", starts(10*ms, 10*ms), starts(100*ms, 100*ms, 100*ms), NoVerdict},
	} {
		if c := Compare(test.old, test.new); c.Verdict != test.want {
			t.Errorf("%s: %s: %s", test.name, c.Verdict, c.Reason)
		}
	}
}
