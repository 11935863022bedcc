package target

// lru keeps the most recently used values, max of them. It is not safe for
// concurrent use.
type lru[K comparable, V any] struct {
	max   int
	nodes map[K]*lruNode[K, V]
	// ring is the sentinel: next is the latest used, prev the oldest.
	ring lruNode[K, V]
}

type lruNode[K comparable, V any] struct {
	prev, next *lruNode[K, V]
	key        K
	value      V
}

func newLRU[K comparable, V any](max int) *lru[K, V] {
	l := &lru[K, V]{max: max, nodes: make(map[K]*lruNode[K, V])}
	l.ring.prev, l.ring.next = &l.ring, &l.ring
	return l
}

// get returns the value of key and marks it as used.
func (l *lru[K, V]) get(key K) (value V, ok bool) {
	n := l.nodes[key]
	if n == nil {
		return value, false
	}
	if l.ring.next != n {
		n.unlink()
		l.pushFront(n)
	}
	return n.value, true
}

// put sets the value of key and drops the value that was not used for longest
// when there are too many.
func (l *lru[K, V]) put(key K, value V) {
	if n := l.nodes[key]; n != nil {
		n.value = value
		n.unlink()
		l.pushFront(n)
		return
	}
	if len(l.nodes) >= l.max {
		oldest := l.ring.prev
		oldest.unlink()
		delete(l.nodes, oldest.key)
	}
	n := &lruNode[K, V]{key: key, value: value}
	l.nodes[key] = n
	l.pushFront(n)
}

func (l *lru[K, V]) pushFront(n *lruNode[K, V]) {
	n.prev, n.next = &l.ring, l.ring.next
	n.prev.next, n.next.prev = n, n
}

func (n *lruNode[K, V]) unlink() {
	n.prev.next, n.next.prev = n.next, n.prev
	n.prev, n.next = nil, nil
}
