package v1

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/goshawk-io/goshawk/internal/observe/startup"
)

// MaxStartupBytes is how long a document of starts may be.
const MaxStartupBytes = 256 << 20

// ReadStarts reads what `goshawk startup --json` printed: one start, or with
// --runs the object that holds all of them. It returns at least one start, and
// refuses a document that lacks what a comparison needs. Fields that it does
// not know are left out, and findings: they follow from the rest.
func ReadStarts(r io.Reader) ([]*startup.Start, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxStartupBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxStartupBytes {
		return nil, fmt.Errorf("is longer than %d MiB", MaxStartupBytes>>20)
	}
	if len(data) == 0 {
		return nil, errors.New("is empty")
	}
	var outer struct {
		Runs *[]json.RawMessage `json:"runs"`
	}
	if err := json.Unmarshal(data, &outer); err != nil {
		return nil, notJSON(err)
	}
	if outer.Runs == nil {
		s, err := readStart(data)
		if err != nil {
			return nil, err
		}
		return []*startup.Start{s}, nil
	}
	if len(*outer.Runs) == 0 {
		return nil, errors.New("runs: there are none")
	}
	var list []*startup.Start
	for i, one := range *outer.Runs {
		s, err := readStart(one)
		if err != nil {
			return nil, fmt.Errorf("runs[%d]: %w", i, err)
		}
		list = append(list, s)
	}
	return list, nil
}

// notJSON says where a document breaks off or goes wrong.
func notJSON(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("is not JSON: at byte %d: %w", syntax.Offset, err)
	case errors.As(err, &kind) && kind.Field == "":
		return fmt.Errorf("is a JSON %s, not an object", kind.Value)
	}
	return err
}

// neededUsage are the fields that a comparison cannot do without: decoded into
// numbers alone, a missing one would be a 0.
type neededUsage struct {
	Name       *string `json:"name"`
	StartNS    *int64  `json:"start_ns"`
	DurationNS *int64  `json:"duration_ns"`
	// These are null where they were not measured.
	CPUNS      json.RawMessage `json:"cpu_ns"`
	RunDelayNS json.RawMessage `json:"run_delay_ns"`
}

func (n *neededUsage) check() error {
	for _, f := range []struct {
		name  string
		there bool
	}{{"start_ns", n.StartNS != nil}, {"duration_ns", n.DurationNS != nil}, {"cpu_ns", n.CPUNS != nil}, {"run_delay_ns", n.RunDelayNS != nil}} {
		if !f.there {
			return fmt.Errorf("has no %s", f.name)
		}
	}
	if n.Name == nil || *n.Name == "" {
		return errors.New("has no name")
	}
	return nil
}

func readStart(data []byte) (*startup.Start, error) {
	var v Startup
	var needed struct {
		Phases   *[]neededUsage `json:"phases"`
		Packages *[]neededUsage `json:"packages"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return nil, notJSON(err)
	}
	if err := json.Unmarshal(data, &needed); err != nil {
		return nil, notJSON(err)
	}
	if needed.Phases == nil || needed.Packages == nil {
		return nil, errors.New("has no phases and packages: it is not of goshawk startup --json")
	}
	if v.DurationNS < 0 {
		return nil, fmt.Errorf("duration_ns: %d is negative", v.DurationNS)
	}
	// A zone can lead out of the years that RFC 3339 can spell.
	if year := time.Time(v.Time).UTC().Year(); year < 1 || year > 9999 {
		return nil, fmt.Errorf("time: the year %d is none", year)
	}
	for i := range v.Phases {
		if err := cmp.Or((*needed.Phases)[i].check(), v.Phases[i].check()); err != nil {
			return nil, fmt.Errorf("phases[%d] %q: %w", i, v.Phases[i].Name, err)
		}
	}
	for i := range v.Packages {
		if err := cmp.Or((*needed.Packages)[i].check(), v.Packages[i].check()); err != nil {
			return nil, fmt.Errorf("packages[%d] %q: %w", i, v.Packages[i].Name, err)
		}
	}
	return v.Start(), nil
}

// check refuses what no measurement yields.
func (v *StartupUsage) check() error {
	if (v.CPUNS == nil) != (v.RunDelayNS == nil) {
		return errors.New("one of cpu_ns and run_delay_ns is null, the other is not")
	}
	for _, f := range []struct {
		name string
		ns   int64
	}{
		{"duration_ns", v.DurationNS}, {"cpu_ns", orZero(v.CPUNS)}, {"run_delay_ns", orZero(v.RunDelayNS)}, {"off_cpu_ns", orZero(v.OffCPUNS)},
		{"throttled_ns", orZero(v.ThrottledNS)}, {"syscall_ns", orZero(v.SyscallNS)},
	} {
		if f.ns < 0 {
			return fmt.Errorf("%s: %d is negative", f.name, f.ns)
		}
	}
	return nil
}
