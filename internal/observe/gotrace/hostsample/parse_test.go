package hostsample

import "testing"

func TestParseProc(t *testing.T) {
	if s, ok := parseSchedstat([]byte("73243 55908 2\n")); !ok || s != (schedstat{73243, 55908, 2}) {
		t.Errorf("schedstat %+v %v", s, ok)
	}
	if _, ok := parseSchedstat([]byte("73243 55908\n")); ok {
		t.Error("a schedstat of two numbers is taken")
	}
	if m, ok := parseMachine([]byte("cpu  10 1 2 100 5 3 4 6 7 7\ncpu0 1\n")); !ok || m != (machineTimes{busy: 20 * nanosecondsPerTick, idle: 105 * nanosecondsPerTick, steal: 6 * nanosecondsPerTick}) {
		t.Errorf("machine %+v %v", m, ok)
	}
	if load, running, ok := parseLoad([]byte("2.65 2.24 1.37 3/96 9737\n")); !ok || load != 2.65 || running != 3 {
		t.Errorf("load %v %v %v", load, running, ok)
	}
	if n := countList("0-3,8,10-11"); n != 7 {
		t.Errorf("%d CPUs", n)
	}
	if n := countList("3-0"); n != 0 {
		t.Errorf("%d CPUs of a list that is none", n)
	}
	stat, err := parseStat([]byte("7 (a) b (c) S 1 7 7 0 -1 4194304 1 0 0 0 1 2 0 0 20 0 5 0 999 1 2 3 4096 5 6\n"))
	if err != nil || stat != (processStat{name: "a) b (c", start: 999, startCode: 4096}) {
		t.Errorf("stat %+v %v", stat, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("7 (a) S 1 7 7 0 -1 4194304 1 0 0 0 1 2 0 0 20 0 5 0 999 1 2 3 4096 5 6\n"))
	f.Add([]byte("35 0x1 0x0 0x0 0x0 0x0 0x0 0x7ffe 0x46c5d7\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		parseStat(text)
		parseSchedstat(text)
		parseMachine(text)
		parseLoad(text)
		sleepsAt(text)
		countList(string(text))
		if n, ok := parseCount(text); ok && n < 0 {
			t.Errorf("count %d of %q", n, text)
		}
	})
}
