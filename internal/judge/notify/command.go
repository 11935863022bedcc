package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	// maxOutput is how much of what a command prints is kept.
	maxOutput = 4 << 10
	// maxVariable is how many bytes of a text are in its environment; all of it
	// is on stdin.
	maxVariable = 4 << 10
	// afterKill is how long its output is waited for once it has ended: it may
	// have left somebody behind who holds it open.
	afterKill = time.Second
)

// commandSender runs a command for an alert.
type commandSender struct {
	receiver string
	path     string
	args     []string
	timeout  time.Duration
	// environ is what the command inherits.
	environ []string
	encode  func([]Alert) ([]byte, error)
}

func (s *commandSender) close() {}

// deliver runs the command and waits for it. An exit status of 0 says that it
// was delivered; any other is tried again.
func (s *commandSender) deliver(ctx context.Context, alerts []Alert) outcome {
	body, err := s.encode(alerts)
	if err != nil {
		return outcome{err: fmt.Errorf("encode the notification: %w", err), refused: true}
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var output limited
	cmd := exec.CommandContext(ctx, s.path, s.args...)
	cmd.Dir, cmd.Env = "/", append(s.environ[:len(s.environ):len(s.environ)], variables(s.receiver, alerts[0])...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(body), &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		// The process is not waited for yet, so its id is nobody else's.
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		} else if err != nil {
			return err
		}
		return nil
	}
	cmd.WaitDelay = afterKill
	err = cmd.Run()
	if err == nil || errors.Is(err, exec.ErrWaitDelay) && ctx.Err() == nil {
		return outcome{}
	}
	text := err.Error()
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		text = fmt.Sprintf("did not end within %v and was killed", s.timeout)
	}
	if out := strings.TrimSpace(output.String()); out != "" {
		text += ": it printed " + show(out)
	}
	return outcome{err: fmt.Errorf("command %s: %s", s.path, text), uncertain: cmd.Process != nil && ctx.Err() != nil}
}

// limited keeps the first bytes that are written to it.
type limited struct{ bytes.Buffer }

// Write keeps what there is room for, and fails never: the command is to go on.
func (l *limited) Write(p []byte) (int, error) {
	_, _ = l.Buffer.Write(p[:min(len(p), maxOutput-l.Len())])
	return len(p), nil
}

// variables are the environment of a command, beside what it inherits.
func variables(receiver string, a Alert) []string {
	ends := ""
	if a.State == Resolved {
		ends = a.EndsAt.Format(time.RFC3339Nano)
	}
	value := ""
	if finite(a.Value) {
		value = number(a.Value)
	}
	var list []string
	for _, v := range [][2]string{
		{"RECEIVER", receiver}, {"STATE", string(a.State)}, {"FINGERPRINT", fingerprint(a.Labels)},
		{"ALERT", a.Labels[labelName]}, {"SLO", a.Labels[labelSLO]}, {"SERVICE", a.Labels[labelService]}, {"SEVERITY", a.Labels[labelSeverity]},
		{"STARTS_AT", a.StartsAt.Format(time.RFC3339Nano)}, {"ENDS_AT", ends}, {"VALUE", value},
		{"SUMMARY", a.Annotations["summary"]}, {"DESCRIPTION", a.Annotations["description"]}, {"URL", a.GeneratorURL},
	} {
		// A variable ends at its first zero byte.
		list = append(list, "GOSHAWK_"+v[0]+"="+cut(strings.ReplaceAll(v[1], "\x00", ""), maxVariable))
	}
	return list
}

// inherited returns what a command inherits of environ: not what Goshawk is
// told, such as its token.
func inherited(environ []string) []string {
	list := []string{}
	for _, pair := range environ {
		if !strings.HasPrefix(pair, "GOSHAWK_") {
			list = append(list, pair)
		}
	}
	return list
}
