package symbol

import "container/list"

// lru maps keys to values and drops those not used for longest once their
// weights add up to more than its limit. It is not safe for concurrent use.
type lru[K comparable, V any] struct {
	limit, weight int
	order         list.List // of *lruItem, last used first
	items         map[K]*list.Element
}

type lruItem[K comparable, V any] struct {
	key    K
	value  V
	weight int
}

func newLRU[K comparable, V any](limit int) *lru[K, V] {
	return &lru[K, V]{limit: limit, items: make(map[K]*list.Element)}
}

// get returns the value of key and marks it as used.
func (l *lru[K, V]) get(key K) (V, bool) {
	e, ok := l.items[key]
	if !ok {
		var none V
		return none, false
	}
	l.order.MoveToFront(e)
	return e.Value.(*lruItem[K, V]).value, true
}

// put sets the value of key. A value heavier than the limit is not kept.
func (l *lru[K, V]) put(key K, value V, weight int) {
	l.remove(key)
	if weight > l.limit {
		return
	}
	l.items[key] = l.order.PushFront(&lruItem[K, V]{key: key, value: value, weight: weight})
	l.weight += weight
	for l.weight > l.limit {
		l.remove(l.order.Back().Value.(*lruItem[K, V]).key)
	}
}

func (l *lru[K, V]) remove(key K) {
	if e, ok := l.items[key]; ok {
		l.weight -= l.order.Remove(e).(*lruItem[K, V]).weight
		delete(l.items, key)
	}
}
