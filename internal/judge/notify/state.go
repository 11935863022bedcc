package notify

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/goshawk-io/goshawk/internal/platform"
)

const (
	stateName    = "notifications.json"
	stateVersion = 1
	// maxState bounds what is read, and so what is written.
	maxState = 64 << 20
)

// memory is what destinations were told, by their keys. Of an alert that has
// ended and of which that has yet to be told, the state is Resolved.
type memory map[string][]told

// told is what a destination knows of an alert.
type told struct {
	alert Alert
	knows knowledge
	sent  time.Time
	sum   uint64
}

// The JSON of the file.
type (
	savedState struct {
		Version      int                `json:"version"`
		Destinations []savedDestination `json:"destinations"`
	}
	savedDestination struct {
		Key    string       `json:"key"`
		Alerts []savedAlert `json:"alerts"`
	}
	savedAlert struct {
		Fingerprint  string            `json:"fingerprint"`
		Labels       map[string]string `json:"labels"`
		Annotations  map[string]string `json:"annotations,omitempty"`
		Value        *float64          `json:"value,omitempty"`
		GeneratorURL string            `json:"generator_url,omitempty"`
		StartsAt     time.Time         `json:"starts_at"`
		// EndsAt is there for one whose end has to be told.
		EndsAt *time.Time `json:"ends_at,omitempty"`
		// Perhaps says that nobody knows whether it was told.
		Perhaps bool      `json:"perhaps,omitempty"`
		SentAt  time.Time `json:"sent_at"`
		Sum     string    `json:"sum"`
	}
)

// errNewer is the error of a file that a later Goshawk wrote.
var errNewer = errors.New("is of a later version of Goshawk")

// encode returns the file, with its parts in an order of their own.
func (m memory) encode() ([]byte, error) {
	s := savedState{Version: stateVersion, Destinations: []savedDestination{}}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		d := savedDestination{Key: key, Alerts: []savedAlert{}}
		for _, t := range m[key] {
			d.Alerts = append(d.Alerts, t.save())
		}
		slices.SortFunc(d.Alerts, func(a, b savedAlert) int { return cmp.Compare(a.Fingerprint, b.Fingerprint) })
		s.Destinations = append(s.Destinations, d)
	}
	data, err := json.Marshal(s)
	if err == nil && len(data) > maxState {
		for _, d := range s.Destinations {
			for i := range d.Alerts {
				d.Alerts[i].Annotations = nil // labels say what ended
			}
		}
		data, err = json.Marshal(s)
	}
	if err == nil && len(data) > maxState {
		err = fmt.Errorf("has more than %d MiB", maxState>>20)
	}
	return data, err
}

func (t told) save() savedAlert {
	s := savedAlert{
		Fingerprint: fingerprint(t.alert.Labels), Labels: t.alert.Labels, Annotations: t.alert.Annotations, GeneratorURL: t.alert.GeneratorURL,
		StartsAt: t.alert.StartsAt, Perhaps: t.knows == perhaps, SentAt: instant(t.sent, time.Unix(0, 0)), Sum: strconv.FormatUint(t.sum, 16),
	}
	if finite(t.alert.Value) {
		s.Value = &t.alert.Value
	}
	if t.alert.State == Resolved {
		s.EndsAt = &t.alert.EndsAt
	}
	return s
}

// decodeState reads the file. now is the time that nothing can be later than.
func decodeState(data []byte, now time.Time) (memory, error) {
	var version struct {
		Version int `json:"version"`
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&version); err != nil {
		return nil, fmt.Errorf("is no JSON: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("has something after its end")
	}
	switch {
	case version.Version > stateVersion:
		return nil, errNewer
	case version.Version != stateVersion:
		return nil, fmt.Errorf("has version %d", version.Version)
	}
	var s savedState
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("is not what was written: %w", err)
	}
	m := memory{}
	for _, d := range s.Destinations {
		if _, twice := m[d.Key]; twice || d.Key == "" || len(d.Alerts) > maxKnown {
			return nil, fmt.Errorf("has no right to the destination %s with %d alerts", show(d.Key), len(d.Alerts))
		}
		m[d.Key] = []told{}
		seen := make(map[string]bool, len(d.Alerts))
		for _, a := range d.Alerts {
			t, err := a.load(now)
			if err != nil || seen[a.Fingerprint] {
				return nil, fmt.Errorf("has the alert %s, which is not what was written", show(a.Fingerprint))
			}
			seen[a.Fingerprint] = true
			m[d.Key] = append(m[d.Key], t)
		}
	}
	return m, nil
}

func (s savedAlert) load(now time.Time) (told, error) {
	a := Alert{
		SLO: s.Labels[labelSLO], Service: s.Labels[labelService], Name: s.Labels[labelName], Severity: s.Labels[labelSeverity],
		State: Firing, StartsAt: s.StartsAt, Labels: s.Labels, Annotations: s.Annotations, Value: math.NaN(), GeneratorURL: s.GeneratorURL,
	}
	if s.Value != nil {
		a.Value = *s.Value
	}
	if s.EndsAt != nil {
		a.State, a.EndsAt = Resolved, *s.EndsAt
	}
	t := told{alert: a.complete(now), knows: aware, sent: s.SentAt}
	if s.Perhaps {
		t.knows = perhaps
	}
	// The clock may have been set back.
	if t.sent = instant(t.sent, time.Unix(0, 0)); t.sent.After(now) {
		t.sent = now
	}
	var err error
	if t.sum, err = strconv.ParseUint(s.Sum, 16, 64); err != nil {
		return told{}, err
	}
	if fingerprint(t.alert.Labels) != s.Fingerprint {
		return told{}, errors.New("has other labels")
	}
	return t, nil
}

// stateFile is the file in a directory; without one there is none.
type stateFile struct{ dir string }

func (f stateFile) path() string { return filepath.Join(f.dir, stateName) }

// read returns what was written. A file that is corrupt is renamed, and said;
// so is one of a later version, which that one may read again.
func (f stateFile) read(now time.Time) (memory, error) {
	if f.dir == "" {
		return memory{}, nil
	}
	data, err := platform.ReadFile(f.path(), maxState)
	if errors.Is(err, fs.ErrNotExist) {
		return memory{}, nil
	}
	if errors.Is(err, platform.ErrTooLarge) {
		return memory{}, fmt.Errorf("read what was notified: %w", platform.SetAside(f.path(), ".corrupt", err))
	}
	if err != nil {
		return memory{}, fmt.Errorf("read what was notified: %w", err)
	}
	m, err := decodeState(data, now)
	if err == nil {
		return m, nil
	}
	extension := ".corrupt"
	if errors.Is(err, errNewer) {
		extension = ".newer"
	}
	return memory{}, fmt.Errorf("read what was notified: %w", platform.SetAside(f.path(), extension, err))
}

// write replaces the file: after a crash there is the old one or the new one.
func (f stateFile) write(m memory) (err error) {
	if f.dir == "" {
		return nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write what was notified: %w", err)
		}
	}()
	data, err := m.encode()
	if err != nil {
		return fmt.Errorf("%s: %w", f.path(), err)
	}
	return platform.ReplaceFile(f.path(), data, 0o600)
}
