package main

import (
	"strings"
	"testing"
)

func TestLostReadsWhatToolsSay(t *testing.T) {
	tests := []struct {
		name, said string
		want       int
	}{
		{"Goshawk's last line", "events=7 lost=3\n", 3},
		{"bpftrace, twice", "Lost 5 events\nLost 2 events\n", 7},
		{"execsnoop", "Lost 4 events on CPU #1!\n", 4},
		{"nothing", "Attaching 2 probes...\n", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := lost([]byte(tt.said)); got != tt.want {
				t.Errorf("lost = %d, want %d", got, tt.want)
			}
		})
	}
}

func TestCountEvents(t *testing.T) {
	event := func(path, args string) string {
		return `{"attributes":{"process.executable.path":"` + path + `","process.command_args":[` + args + `]}}` + "\n"
	}
	out := event("/d/noop", `"/d/noop","0-1","aa","aa"`) +
		event("/d/noop", `"/d/noop","0-1","aa","aa"`) + // twice
		event("/d/noop", `"/d/noop","0-2","aa","ab"`) + // another argument
		event("/d/noop", `"/d/noop"`) + // no serial number
		event("/usr/bin/ls", `"ls"`) +
		event("/d/spawner", `"/proc/self/exe"`)
	got, err := countEvents(strings.NewReader(out), "/d/noop")
	want := counts{events: 4, duplicates: 1, damaged: 2, spawners: 1, exact: true}
	if err != nil || got != want {
		t.Errorf("countEvents = %+v, %v, want %+v", got, err, want)
	}
}
