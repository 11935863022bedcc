package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"time"

	v1 "github.com/goshawk-io/goshawk/internal/api/v1"
	"github.com/goshawk-io/goshawk/internal/config"
	"github.com/goshawk-io/goshawk/internal/judge/objective"
	"github.com/goshawk-io/goshawk/internal/judge/objective/slofile"
	"github.com/goshawk-io/goshawk/internal/platform/yamldoc"
)

const (
	// reloadEvery is how often files of objectives are read again: a change is in
	// force after two looks.
	reloadEvery = time.Second
	// maxToldProblems is how many problems of files a log has.
	maxToldProblems = 10
)

// sloFiles are the files of objectives, and the folder of what was proposed or
// accepted. All but health belongs to one goroutine at a time.
type sloFiles struct {
	read  func() ([]yamldoc.Source, yamldoc.Errors)
	parse func([]yamldoc.Source) (*slofile.Set, yamldoc.Errors)
	// own reads the folder; files that are wrong there are left out.
	own func() ([]objective.SLO, yamldoc.Errors)
	log *slog.Logger
	now func() time.Time

	written     []objective.SLO // what the files said when they were right last
	seen, known string          // hashes of what was read last, and of what was parsed last
	said        string          // what was said last of the folder

	mu     sync.Mutex
	status sloFilesStatus
}

// sloFilesStatus is what became of the files.
type sloFilesStatus struct {
	files []string
	// errors are why the files were rejected, at rejected; folder is what is wrong
	// in the folder, and taken why the judge refused.
	errors, folder, taken yamldoc.Errors
	rejected              time.Time
}

// newSLOFiles returns the files of an agent, none of which is read yet. receivers
// are the names of those who can be told.
func newSLOFiles(o *judgingOptions, log *slog.Logger) *sloFiles {
	var more []yamldoc.Source
	if o.demo {
		more = []yamldoc.Source{{Name: "<demo>", Data: demoSLO}}
	}
	folder := proposeFolder(o.dir)
	receivers := []string{}
	for _, r := range o.receivers {
		receivers = append(receivers, r.Name)
	}
	f := &sloFiles{log: log, now: time.Now, own: folder.Load}
	f.read = func() ([]yamldoc.Source, yamldoc.Errors) {
		sources, errs := slofile.Read(o.files)
		return append(sources, more...), errs
	}
	f.parse = func(sources []yamldoc.Source) (*slofile.Set, yamldoc.Errors) {
		return slofile.Parse(sources, sloFileOptions(receivers))
	}
	return f
}

// load reads all objectives for the first time. Those of the files are known only
// when ok; problems are what is wrong or odd with them.
func (f *sloFiles) load() (all []objective.SLO, problems yamldoc.Errors, ok bool) {
	sources, errs := f.read()
	f.seen = hashOf(sources, errs)
	problems, ok = f.take(sources, errs)
	return f.all(), problems, ok
}

// poll returns the objectives that there are to be. Files that changed count when two
// looks in a row find the same: half of a file that is being written may look right.
func (f *sloFiles) poll() []objective.SLO {
	sources, errs := f.read()
	hash := hashOf(sources, errs)
	if hash == f.seen && hash != f.known {
		wrong := !f.rejected().IsZero()
		switch problems, ok := f.take(sources, errs); {
		case !ok:
			f.log.Warn("the files of objectives have errors; those before stay in force", "errors", len(problems))
			f.tell(problems)
		case wrong:
			f.log.Info("the files of objectives are right again")
			f.tell(problems)
		default:
			f.tell(problems)
		}
	}
	f.seen = hash
	return f.all()
}

// take takes what was read, unless that has errors.
func (f *sloFiles) take(sources []yamldoc.Source, errs yamldoc.Errors) (problems yamldoc.Errors, ok bool) {
	set, problems := new(slofile.Set), errs
	if len(sources) > 0 {
		var more yamldoc.Errors
		set, more = f.parse(sources)
		problems = append(slices.Clone(errs), more...)
	}
	f.known = hashOf(sources, errs)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(errs) > 0 || set == nil {
		f.status.errors = slices.DeleteFunc(slices.Clone(problems), func(p *yamldoc.Error) bool { return p.Warning })
		f.status.rejected = f.now()
		return problems, false
	}
	f.written = set.SLOs
	f.status.files, f.status.errors, f.status.rejected = set.Files, nil, time.Time{}
	return problems, true
}

// all returns the objectives of the files, and of the folder.
func (f *sloFiles) all() []objective.SLO {
	own, wrong := f.own()
	text := ""
	if len(wrong) > 0 {
		text = wrong.Error()
	}
	if text != f.said && text != "" {
		f.log.Warn("files of accepted objectives have errors; the others are in force", "errors", len(wrong))
		f.tell(wrong)
	}
	f.said = text
	f.mu.Lock()
	f.status.folder = wrong
	f.mu.Unlock()
	return withProposals(f.written, own)
}

// taken notes what became of the objectives.
func (f *sloFiles) taken(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.status.taken = nil
	if err != nil {
		file := ""
		if len(f.status.files) > 0 {
			file = f.status.files[0]
		}
		f.status.taken = yamldoc.Errors{{File: file, Cause: fmt.Sprintf("the objectives were not taken: %v", err), Hint: "those before stay in force"}}
	}
}

// tell writes problems to the log, not all if there are many.
func (f *sloFiles) tell(problems yamldoc.Errors) {
	for i, p := range problems {
		if i == maxToldProblems {
			f.log.Warn("objectives", "more", len(problems)-i)
			return
		}
		f.log.Warn("objectives", "problem", p.Error(), "hint", p.Hint)
	}
}

func (f *sloFiles) rejected() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status.rejected
}

// wrong returns why not all of what the files say is in force.
func (f *sloFiles) wrong() yamldoc.Errors {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Concat(f.status.errors, f.status.folder, f.status.taken)
}

// health adds what became of the files to the state of the configuration.
func (f *sloFiles) health(c v1.Config) v1.Config {
	wrong := f.wrong()
	f.mu.Lock()
	defer f.mu.Unlock()
	c.Files = append(c.Files, f.status.files...)
	if len(wrong) > 0 {
		c.State, c.Errors = config.StateRejected, append(c.Errors, wireConfigErrors(wrong)...)
	}
	if at := f.status.rejected; !at.IsZero() && (c.RejectedAt == nil || at.Before(time.Time(*c.RejectedAt))) {
		c.RejectedAt = new(v1.Time(at))
	}
	return c
}

// hashOf names what was read.
func hashOf(sources []yamldoc.Source, errs yamldoc.Errors) string {
	h := sha256.New()
	for _, s := range sources {
		fmt.Fprintf(h, "%d %s %d ", len(s.Name), s.Name, len(s.Data))
		h.Write(s.Data)
	}
	_, _ = io.WriteString(h, errs.Error())
	return hex.EncodeToString(h.Sum(nil))
}

// follow reads the files of objectives again and again until ctx is done. What has
// errors is not taken: the objectives that are in force stay.
func (j *judging) follow(ctx context.Context) {
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		all := j.files.poll()
		if reflect.DeepEqual(all, j.inForce) {
			continue
		}
		err := j.set(all)
		j.files.taken(err)
		if err == nil {
			said = ""
			j.log.Info("objectives were read again", "objectives", len(all))
			continue
		}
		if text := err.Error(); text != said {
			said = text
			j.log.Warn("objectives were not taken; those before stay in force", "error", err)
		}
	}
}
