package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/goshawk-io/goshawk/internal/model"
	"github.com/goshawk-io/goshawk/internal/store/keep"
	"golang.org/x/sys/unix"
)

// writer commits what is added. It has one goroutine; what of it others read
// is atomic or guarded by Store.mu.
type writer struct {
	store   *Store
	current *current // nil when no file is open
	batches []*batch // what waits to be written, the oldest first

	retained time.Time // when old files were last removed
	tallied  time.Time // when tallies were last committed
	full     atomic.Bool
	encoder  encoder
}

// batch is what one transaction writes.
type batch struct {
	events []keep.Kept
	sums   []*keep.Sum
	bytes  int
}

// current is the file that is written.
type current struct {
	file     *file
	db       *sql.DB
	conn     *sql.Conn
	words    *words
	insert   *sql.Stmt
	sources  []source
	byKey    map[sourceKey]int // position in sources
	sumStmts sumStatements
	next     int64 // the id of the next event
}

type sourceKey struct {
	ref     *schemaRef
	service string
}

func (w *writer) run() {
	s := w.store
	defer close(s.done)
	tick := time.NewTicker(s.options.tick)
	defer tick.Stop()
	// The writer ends by Close, which waits for the last commit.
	ctx := context.Background()
	for {
		select {
		case <-tick.C:
			w.commit(ctx, false)
			w.retain()
		case <-s.wake:
			w.commit(ctx, false)
		case answer := <-s.flushes:
			w.commit(ctx, true)
			close(answer)
		case <-s.quit:
			w.commit(ctx, true)
			w.abandon()
			if err := w.closeCurrent(ctx, false); err != nil {
				s.err = fmt.Errorf("close %s: %w", s.dir, err)
			}
			return
		}
	}
}

// abandon counts what could not be written until the end.
func (w *writer) abandon() {
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range w.batches {
		s.stats.Dropped[s.dropReason()] += uint64(len(b.events))
	}
	w.batches = nil
}

// retain removes old files, now and then.
func (w *writer) retain() {
	s := w.store
	if now := s.options.Now(); now.Sub(w.retained).Abs() >= retainEvery {
		w.retained = now
		s.retain()
	}
}

// endCurrent seals the current file. When that fails the file stays as it is;
// it can be read, and the next Open seals it.
func (w *writer) endCurrent(ctx context.Context) {
	f := w.current.file
	if err := w.closeCurrent(ctx, true); err != nil {
		w.store.logger.Error("a data file could not be completed", "file", f.path, "cause", err)
	}
}

// take moves what was added into batches, and returns how much it was until
// now. Tallies are only taken when all is, or at their time.
func (w *writer) take(all bool) (added uint64) {
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.pending
	seen := p.sample.Seen()
	now := s.options.Now()
	kept := p.sample.Take(now)
	s.stats.LeftOut += uint64(seen - len(kept))
	sums := p.sums.Take()
	if all || now.Sub(w.tallied).Abs() >= talliesEvery {
		w.tallied = now
		sums = append(sums, p.tallies.Take()...)
	}
	for len(kept) > 0 || len(sums) > 0 {
		n := min(len(kept), 2*commitEvents)
		b := &batch{events: kept[:n:n], sums: sums}
		for i := range b.events {
			b.bytes += b.events[i].Event.Bytes()
		}
		w.batches = append(w.batches, b)
		kept, sums = kept[n:], nil
	}
	p.bytes = 0
	for _, b := range w.batches {
		p.bytes += b.bytes
	}
	s.waiting(w.batches)
	return p.added
}

// waiting says how many events wait in batches. s.mu is held.
func (s *Store) waiting(batches []*batch) {
	s.stats.Waiting = 0
	for _, b := range batches {
		s.stats.Waiting += len(b.events)
	}
}

// commit writes what waits, until something fails: all of it, or without the
// tallies that can wait longer.
func (w *writer) commit(ctx context.Context, all bool) {
	w.checkSuspect(ctx)
	if w.current != nil && !w.current.file.isOf(w.store.options.Now()) {
		w.endCurrent(ctx)
		w.retained = time.Time{}
	}
	added := w.take(all)
	defer func() {
		w.store.mu.Lock()
		defer w.store.mu.Unlock()
		w.store.pending.tried = added
	}()
	if w.full.Load() && !hasRoom(w.store.dir, w.batches) {
		w.squeeze()
		return
	}
	for len(w.batches) > 0 {
		b := w.batches[0]
		err := w.write(ctx, b)
		if err != nil && isCorrupt(err) && w.current != nil {
			w.loseCurrent(ctx, err)
			err = w.write(ctx, b)
		}
		w.note(err)
		if err != nil {
			w.squeeze()
			return
		}
		w.batches = w.batches[1:]
		s := w.store
		s.mu.Lock()
		s.pending.bytes -= b.bytes
		s.stats.Kept += uint64(len(b.events))
		s.waiting(w.batches)
		s.mu.Unlock()
		w.rotate(ctx)
	}
}

// squeeze joins the rollups of batches that wait, so that they stay few
// however long nothing can be written.
func (w *writer) squeeze() {
	if len(w.batches) < 3 {
		return
	}
	type key struct {
		step           int64
		probe, service string
		group          string
	}
	joined := make(map[key]*keep.Sum)
	var list []*keep.Sum
	for _, b := range w.batches {
		for _, sum := range b.sums {
			k := key{sum.Step, sum.Probe, sum.Service, string(appendGroup(nil, sum.Group))}
			if other := joined[k]; other != nil {
				other.Add(&sum.Rollup)
				continue
			}
			joined[k] = sum
			list = append(list, sum)
		}
		b.sums = nil
	}
	if len(list) > maxPendingSums {
		list = list[len(list)-maxPendingSums/2:]
	}
	w.batches = slices.DeleteFunc(w.batches, func(b *batch) bool { return len(b.events) == 0 })
	for part := range slices.Chunk(list, maxBatchSums) {
		w.batches = append(w.batches, &batch{sums: part})
	}
}

// hasRoom says whether the disk has room for the first batch, about. It is
// cheaper than to try, and tried twice a second while the disk is full.
func hasRoom(dir string, batches []*batch) bool {
	if len(batches) == 0 {
		return true
	}
	f, err := os.CreateTemp(dir, ".new-events-room-")
	if err != nil {
		return !isNoSpace(err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	return !isNoSpace(unix.Fallocate(int(f.Fd()), 0, 0, int64(batches[0].bytes)+1<<16))
}

// note remembers whether the last commit failed, and says so once.
func (w *writer) note(err error) {
	s := w.store
	text := ""
	if err != nil {
		text = err.Error()
	}
	w.full.Store(err != nil && isFull(err))
	s.mu.Lock()
	before := s.stats.Error
	s.stats.Error = text
	s.mu.Unlock()
	switch {
	case err != nil && before == "":
		s.logger.Error("events cannot be written and wait in memory", "dir", s.dir, "cause", err)
	case err == nil && before != "":
		s.logger.Info("events are written again", "dir", s.dir)
	}
}

// rotate ends the current file when it is full.
func (w *writer) rotate(ctx context.Context) {
	s := w.store
	f := w.current.file
	bytes := sizeOf(f.path)
	s.mu.Lock()
	f.bytes = bytes
	s.mu.Unlock()
	if bytes >= s.options.fileBytes {
		w.endCurrent(ctx)
		s.retain()
	}
}

// checkSuspect gives up the current file when a reader found it corrupt, or
// when somebody removed it.
func (w *writer) checkSuspect(ctx context.Context) {
	s := w.store
	s.mu.Lock()
	suspect := s.suspect
	s.suspect = nil
	s.mu.Unlock()
	if w.current == nil {
		return
	}
	f := w.current.file
	if f == suspect {
		w.loseCurrent(ctx, f.problem)
		return
	}
	if _, err := os.Stat(f.path); errors.Is(err, os.ErrNotExist) {
		s.logger.Error("a data file was removed while it was written", "file", f.path)
		s.mu.Lock()
		s.drop(f)
		s.mu.Unlock()
		_ = w.current.close()
		w.current = nil
	}
}

// loseCurrent sets the current file aside.
func (w *writer) loseCurrent(_ context.Context, cause error) {
	s, f := w.store, w.current.file
	s.mu.Lock()
	s.drop(f)
	s.mu.Unlock()
	s.rename(f, cause)
	_ = w.current.close()
	w.current = nil
}

// closeCurrent closes the current file, and seals it when its time is over.
func (w *writer) closeCurrent(ctx context.Context, end bool) error {
	c := w.current
	if c == nil {
		return nil
	}
	w.current = nil
	s := w.store
	s.block(c.file)
	defer s.unblock(c.file)
	err := seal(ctx, c.conn, c.sources)
	err = errors.Join(err, c.close())
	bytes := sizeOf(c.file.path)
	s.mu.Lock()
	c.file.bytes = bytes
	c.file.sealed = end || err == nil
	s.mu.Unlock()
	return err
}

// block waits until nobody reads f, and keeps it so.
func (s *Store) block(f *file) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.blocked = true
	for f.refs > 0 {
		s.changed.Wait()
	}
	_ = f.closeHandle()
}

func (s *Store) unblock(f *file) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.blocked = false
	s.changed.Broadcast()
}

// write commits one batch.
func (w *writer) write(ctx context.Context, b *batch) (err error) {
	if w.current == nil {
		if err := w.openCurrent(ctx); err != nil {
			return err
		}
	}
	c := w.current
	if err := execAll(ctx, c.conn, "BEGIN IMMEDIATE"); err != nil {
		return fmt.Errorf("write %s: %w", c.file.path, err)
	}
	sources, next := slices.Clone(c.sources), c.next
	defer func() {
		if err != nil {
			_ = execAll(ctx, c.conn, "ROLLBACK")
			c.words.rollback()
			c.forgetSources(sources)
			c.next = next
			err = fmt.Errorf("write %s: %w", c.file.path, err)
		}
	}()
	w.encoder.dict = c.words
	for i := range b.events {
		if err := w.insert(ctx, &b.events[i]); err != nil {
			return err
		}
	}
	if err := w.addSums(ctx, b.sums); err != nil {
		return err
	}
	if c.words.err != nil {
		return c.words.err
	}
	if err := execAll(ctx, c.conn, "COMMIT"); err != nil {
		return err
	}
	c.words.commit()
	published := slices.Clone(c.sources)
	w.store.mu.Lock()
	c.file.sources = published
	w.store.mu.Unlock()
	return nil
}

func (w *writer) insert(ctx context.Context, k *keep.Kept) error {
	c, e := w.current, k.Event
	at, err := w.sourceOf(ctx, e.Schema, e.Service)
	if err != nil {
		return err
	}
	end, duration := e.End().UnixNano(), max(int64(e.Duration), -1)
	flags, group := c.words.flags(k), c.words.group(k.Group)
	body := w.encoder.body(e)
	if c.words.err != nil {
		return c.words.err
	}
	var weight, own any
	if k.Weight != 1 {
		weight = k.Weight
	}
	if e.Weight > 1 {
		own = int64(min(e.Weight, math.MaxInt64))
	}
	_, err = c.insert.ExecContext(ctx, c.next, c.sources[at].id, end, duration, int64(group), flags, int64(e.PID), weight, own, body)
	if err != nil {
		return err
	}
	c.next++
	c.sources[at].add(end, duration)
	return nil
}

// sourceOf returns the position of a source, a new one when there is none.
func (w *writer) sourceOf(ctx context.Context, schema *model.Schema, service string) (int, error) {
	ref, err := w.store.refOf(schema)
	if err != nil {
		return 0, err
	}
	c := w.current
	key := sourceKey{ref, service}
	if at, ok := c.byKey[key]; ok {
		return at, nil
	}
	var id int64
	err = c.conn.QueryRowContext(ctx, "SELECT id FROM schemas WHERE schema = ?", ref.text).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = c.conn.QueryRowContext(ctx, "INSERT INTO schemas (schema) VALUES (?) RETURNING id", ref.text).Scan(&id)
	}
	if err != nil {
		return 0, err
	}
	src := source{id: int64(len(c.sources)) + 1, schema: ref, service: service, bounds: noBounds()}
	if _, err := c.conn.ExecContext(ctx, "INSERT INTO sources (id, schema, service) VALUES (?, ?, ?)", src.id, id, []byte(service)); err != nil {
		return 0, err
	}
	c.sources = append(c.sources, src)
	c.byKey[key] = len(c.sources) - 1
	return len(c.sources) - 1, nil
}

// forgetSources takes back what a failed transaction added.
func (c *current) forgetSources(before []source) {
	for key, at := range c.byKey {
		if at >= len(before) {
			delete(c.byKey, key)
		}
	}
	c.sources = before
}

// openCurrent opens the last file when its hour is not over, else a new one.
func (w *writer) openCurrent(ctx context.Context) error {
	s := w.store
	now := s.options.Now()
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	var f *file
	s.mu.Lock()
	if n := len(s.files); n > 0 && !s.files[n-1].sealed {
		f = s.files[n-1]
	}
	s.mu.Unlock()
	if f != nil && s.isCurrent(f, now) {
		err := w.openFile(ctx, f)
		if !isCorrupt(err) {
			return err
		}
		s.mu.Lock()
		s.drop(f)
		s.mu.Unlock()
		s.rename(f, err)
	}
	f = newFile(s.dir, s.nextName(now))
	if err := makeFile(ctx, f.path, s.options.steps); err != nil {
		return fmt.Errorf("make %s: %w", f.path, err)
	}
	s.mu.Lock()
	s.files = append(slices.Clone(s.files), f)
	s.mu.Unlock()
	return w.openFile(ctx, f)
}

func (w *writer) openFile(ctx context.Context, f *file) (err error) {
	db, conn, err := openToWrite(ctx, f.path, append([]string{"journal_mode(WAL)"}, w.store.options.pragmas...)...)
	if err != nil {
		return fmt.Errorf("open %s: %w", f.path, err)
	}
	c := &current{file: f, db: db, conn: conn, byKey: make(map[sourceKey]int), words: newWords(ctx)}
	defer func() {
		if err != nil {
			_ = c.close()
			err = fmt.Errorf("open %s: %w", f.path, err)
		}
	}()
	// From here on others may not rely on what was written when it was sealed.
	if err := execAll(ctx, conn, "UPDATE sources SET min_end = NULL WHERE min_end IS NOT NULL"); err != nil {
		return err
	}
	if c.sources, err = readSources(ctx, conn, w.store.schemaOf); err != nil {
		return err
	}
	for i, src := range c.sources {
		c.byKey[sourceKey{src.schema, src.service}] = i
	}
	if err := c.words.load(conn); err != nil {
		return err
	}
	if err := conn.QueryRowContext(ctx, "SELECT ifnull(max(id), 0) + 1 FROM events").Scan(&c.next); err != nil {
		return err
	}
	if c.insert, err = conn.PrepareContext(ctx, `INSERT INTO events (id, source, "end", duration, grp, flags, pid, weight, event_weight, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`); err != nil {
		return err
	}
	if c.sumStmts, err = prepareSums(ctx, conn); err != nil {
		return err
	}
	w.current = c
	return nil
}

// close closes the connection and its statements.
func (c *current) close() error {
	for _, stmt := range append(c.words.statements(), c.insert, c.sumStmts.read, c.sumStmts.write) {
		if stmt != nil {
			_ = stmt.Close()
		}
	}
	return closeAll(c.db, c.conn)
}

// isNoSpace says that the system found no room for something.
func isNoSpace(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
