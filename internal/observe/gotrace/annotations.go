package gotrace

// annotations follows what a program wrote itself: regions, tasks and logs.
type annotations struct {
	regions    names[rangeTally]
	tasks      names[rangeTally]
	categories names[uint64]
	first      []LogLine
	// openRegions are by goroutine, the innermost last; openTasks by task.
	openRegions map[int64][]openSpan
	openTasks   map[uint64]openSpan
	open        int
	leftOut     uint64
}

type openSpan struct {
	name  string
	since int64
}

func newAnnotations() annotations {
	return annotations{
		regions:     names[rangeTally]{limit: maxNames},
		tasks:       names[rangeTally]{limit: maxNames},
		categories:  names[uint64]{limit: maxNames},
		openRegions: map[int64][]openSpan{},
		openTasks:   map[uint64]openSpan{},
	}
}

// region opens or closes a region of a goroutine.
func (a *annotations) region(o op, goroutine int64, name string, now int64) {
	stack := a.openRegions[goroutine]
	if o == opRegionBegin {
		if a.full() {
			return
		}
		a.open++
		a.openRegions[goroutine] = append(stack, openSpan{name, now})
		return
	}
	if n := len(stack); n == 0 || stack[n-1].name != name {
		a.regions.get(name).cut++
		return
	}
	a.open--
	a.regions.get(name).add(now - stack[len(stack)-1].since)
	if len(stack) == 1 {
		delete(a.openRegions, goroutine)
		return
	}
	a.openRegions[goroutine] = stack[:len(stack)-1]
}

// ended forgets the regions of a goroutine that is gone.
func (a *annotations) ended(goroutine int64) {
	for _, r := range a.openRegions[goroutine] {
		a.regions.get(r.name).open++
		a.open--
	}
	delete(a.openRegions, goroutine)
}

// task opens or closes a task. The name of one that ends is known only when its
// beginning is in the same generation.
func (a *annotations) task(o op, id uint64, name string, now int64) {
	t, known := a.openTasks[id]
	switch {
	case o == opTaskBegin && !known:
		if !a.full() {
			a.open++
			a.openTasks[id] = openSpan{name, now}
		}
	case o == opTaskEnd && known:
		a.open--
		a.tasks.get(t.name).add(now - t.since)
		delete(a.openTasks, id)
	case o == opTaskEnd:
		if name == "" {
			name = notSeen
		}
		a.tasks.get(name).cut++
	}
}

// full tells that no more may be open, and counts what is left out then.
func (a *annotations) full() bool {
	if a.open < maxOpen {
		return false
	}
	a.leftOut++
	return true
}

func (a *annotations) log(goroutine int64, category, message string, at int64) {
	*a.categories.get(category)++
	if len(a.first) < maxLogs {
		a.first = append(a.first, LogLine{At: at, Goroutine: goroutine, Category: category, Message: message})
	}
}

// finish counts what is still open.
func (a *annotations) finish() {
	for _, stack := range a.openRegions {
		for _, r := range stack {
			a.regions.get(r.name).open++
		}
	}
	for _, t := range a.openTasks {
		a.tasks.get(t.name).open++
	}
}
