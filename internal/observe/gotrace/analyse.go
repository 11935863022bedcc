package gotrace

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
)

// chunksAhead bounds what is parsed of a generation before its turn has come, in
// chunks: 8 MiB, which is the records of some million events.
const chunksAhead = 128

// chunksKept is how many empty chunks are kept to be used again.
const chunksKept = 16

// maxLoaded bounds the generations that are in memory at once, in bytes: another one is
// loaded beside those only if it, taken to be as large as the one before it, fits.
const maxLoaded = 30 << 20

// Options say how to analyse. The zero value parses on as many CPUs as there are, up
// to two.
type Options struct {
	// Workers is how many generations are parsed at once. Memory grows with it: each
	// holds one generation. The result does not depend on it.
	Workers int
	// MaxGeneration bounds the size of a generation in bytes; 256 MiB when 0.
	MaxGeneration int
}

// job is a generation on its way from a parser to the analyser.
type job struct {
	chunks chan *chunk
	// err is set before chunks is closed.
	err error
}

// Analyse reads a trace to its end and takes its quantities together. It reads
// plain and gzip-compressed traces of Go 1.22 and newer.
//
// The report is never nil once the header was read: with an error it holds what
// came before, and Complete is false. The error wraps ErrNotTrace, ErrOldFormat or
// ErrEmpty when there was nothing to analyse, ErrCut when the trace ends within a
// generation, or the error of r or ctx.
func Analyse(ctx context.Context, r io.Reader, o Options) (*Report, error) {
	f, err := newFramer(r)
	if err != nil {
		return nil, err
	}
	if o.MaxGeneration > 0 {
		f.limit = int64(o.MaxGeneration)
	}
	if o.Workers <= 0 {
		o.Workers = min(runtime.GOMAXPROCS(0), 2)
	}
	a := newAnalyser()
	generations, err := newPipeline(f, o.Workers).run(ctx, a)
	report := a.finish()
	report.Format, report.Generations, report.Bytes = f.format, generations, f.offset
	if err == nil && generations == 0 {
		err = fmt.Errorf("%w: a header and no events", ErrCut)
	}
	report.Complete = err == nil
	return report, err
}

// pipeline is what parsers and analyser share.
type pipeline struct {
	workers int
	// framing guards the framer: a generation is read by one parser at a time.
	framing sync.Mutex
	framer  *framer
	// room guards how many bytes of generations are loaded, and how large the last was.
	room   *sync.Cond
	loaded int64
	last   int64
	// order holds the generations in the order of the trace.
	order chan *job
	// chunks are used again.
	chunks chan *chunk
}

func newPipeline(f *framer, workers int) *pipeline {
	return &pipeline{
		workers: workers,
		framer:  f,
		room:    sync.NewCond(new(sync.Mutex)),
		order:   make(chan *job, workers),
		chunks:  make(chan *chunk, chunksKept),
	}
}

// run takes all generations through and returns how many were analysed.
func (p *pipeline) run(parent context.Context, a *analyser) (int, error) {
	group, ctx := errgroup.WithContext(parent)
	var parsers sync.WaitGroup
	for range p.workers {
		parsers.Go(func() {
			for p.parse(ctx) {
			}
		})
	}
	group.Go(func() error {
		parsers.Wait()
		close(p.order)
		return nil
	})
	generations := 0
	group.Go(func() error {
		for j := range p.order {
			if err := p.analyse(ctx, a, j); err != nil {
				if a.damage != nil {
					err = fmt.Errorf("generation %d: %w", generations+1, err)
				}
				return err
			}
			generations++
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return generations, err
	}
	if !errors.Is(p.framer.err, io.EOF) {
		return generations, cmp.Or(context.Cause(parent), p.framer.err)
	}
	return generations, nil
}

// parse takes the next generation through a parser. It returns false when there is
// none, or ctx is done.
func (p *pipeline) parse(ctx context.Context) bool {
	j := &job{chunks: make(chan *chunk, chunksAhead)}
	defer close(j.chunks)
	parser := parser{apart: p.workers > 1, fresh: p.fresh, send: func(c *chunk) error {
		select {
		case j.chunks <- c:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}}
	g, last := p.load(ctx, j, &parser)
	if g == nil {
		return false
	}
	defer p.unload(g)
	if parser.loaded {
		// What a cut or damaged generation holds before its end is good.
		j.err = cmp.Or(j.err, g.located(parser.parse(last)))
	}
	return true
}

// load reads the next generation into a parser, and tells whether it is the last. It
// returns nil when there is none, or ctx is done.
func (p *pipeline) load(ctx context.Context, j *job, into *parser) (*generation, bool) {
	p.framing.Lock()
	defer p.framing.Unlock()
	if ctx.Err() != nil {
		return nil, false
	}
	p.awaitRoom()
	g := p.framer.next()
	if g == nil {
		return nil, false
	}
	select {
	case p.order <- j:
	case <-ctx.Done():
		return nil, false
	}
	j.err = g.located(into.load(g))
	p.room.L.Lock()
	p.last = g.read
	p.loaded += p.last
	p.room.L.Unlock()
	if err := p.framer.err; err != nil && !errors.Is(err, io.EOF) {
		// The reader tells less than the framer why it could not go on.
		j.err = err
	}
	return g, j.err != nil || !p.framer.more()
}

// awaitRoom waits until another generation may be loaded. Those that are loaded are
// parsed and go without it, so that it ends.
func (p *pipeline) awaitRoom() {
	p.room.L.Lock()
	defer p.room.L.Unlock()
	for p.loaded > 0 && p.loaded+p.last > maxLoaded {
		p.room.Wait()
	}
}

// unload notes that a generation was parsed.
func (p *pipeline) unload(g *generation) {
	p.room.L.Lock()
	defer p.room.L.Unlock()
	p.loaded -= g.read
	p.room.Broadcast()
}

// fresh returns an empty chunk.
func (p *pipeline) fresh() *chunk {
	select {
	case c := <-p.chunks:
		c.reset()
		return c
	default:
		return &chunk{data: make([]byte, 0, chunkSize)}
	}
}

// analyse takes the records of a generation as they come.
func (p *pipeline) analyse(ctx context.Context, a *analyser, j *job) error {
	a.generation()
	for {
		select {
		case c, ok := <-j.chunks:
			if !ok {
				return j.err
			}
			if err := a.take(c); err != nil {
				return err
			}
			select {
			case p.chunks <- c:
			default:
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
