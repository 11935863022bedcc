package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// hardCase is a command that observers tend to cut or to miss.
type hardCase struct {
	name string
	mark string // in its arguments or its path
	run  func(mark string) error
}

// padded returns an argument of n bytes that ends in "end-of-argument".
func padded(n int) string {
	const end = "end-of-argument"
	return strings.Repeat("x", n-len(end)) + end
}

func hardCases() []hardCase {
	run := func(args ...string) error {
		err := exec.Command(args[0], args[1:]...).Run()
		if _, ended := err.(*exec.ExitError); ended {
			return nil
		}
		return err
	}
	return []hardCase{
		{"one argument of 3000 bytes", "case-long", func(mark string) error { return run("/bin/true", mark, padded(3000)) }},
		{"200 arguments", "case-wide", func(mark string) error {
			args := []string{"/bin/true", mark}
			for n := range 199 {
				args = append(args, fmt.Sprintf("a%d", n))
			}
			return run(append(args, padded(20))...)
		}},
		{"one argument of 130,000 bytes", "case-huge", func(mark string) error { return run("/bin/true", mark, padded(130000)) }},
		{"a file that is not there", "case-refused", func(mark string) error {
			_, err := syscall.ForkExec("/bin/"+mark, []string{"/bin/" + mark, "x"}, &syscall.ProcAttr{})
			if err != syscall.ENOENT {
				return fmt.Errorf("fork and exec: %w", err)
			}
			return nil
		}},
		{"exit code 7", "case-code", func(mark string) error { return run("/bin/sh", "-c", "exit 7", mark) }},
		{"ended by signal 9", "case-signal", func(mark string) error { return run("/bin/sh", "-c", "kill -9 $$", mark) }},
	}
}

// truth runs the hard cases under each observer and prints what they showed.
func (b *bench) truth() error {
	observers, err := b.observers(b.watchers())
	if err != nil {
		return err
	}
	for _, o := range observers {
		run, err := b.start(o, 0)
		if err != nil {
			return err
		}
		cases := hardCases()
		for _, c := range cases {
			if err := c.run(c.mark); err != nil {
				run.stop()
				return fmt.Errorf("%s: %w", c.name, err)
			}
		}
		time.Sleep(time.Second)
		if err := run.stop(); err != nil {
			return err
		}
		shown, err := os.ReadFile(run.out)
		if err != nil {
			return err
		}
		fmt.Printf("\n%s:\n\n| case | shown | whole | line |\n|---|---|---|---|\n", o.name)
		for _, c := range cases {
			printCase(c, shown)
		}
	}
	fmt.Println()
	return nil
}

func printCase(c hardCase, shown []byte) {
	for line := range bytes.Lines(shown) {
		if bytes.Contains(line, []byte(c.mark)) {
			text := strings.TrimSpace(string(line))
			whole := "no"
			if strings.Contains(text, "end-of-argument") {
				whole = "yes"
			}
			fmt.Printf("| %s | %d bytes | %s | `%s` |\n", c.name, len(text), whole, brief(text))
			return
		}
	}
	fmt.Printf("| %s | not shown | - | |\n", c.name)
}

// brief shortens runs of the same byte, and what is left past 240 bytes.
func brief(text string) string {
	var b strings.Builder
	same := 0
	for i := range len(text) {
		if i > 0 && text[i] == text[i-1] {
			same++
		} else {
			same = 0
		}
		if same < 8 {
			b.WriteByte(text[i])
		}
	}
	return b.String()[:min(b.Len(), 240)]
}
