package browser

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLogic imports the modules into a page and asks them: what they compute
// is a value, whatever is drawn of it.
func TestLogic(t *testing.T) {
	b := newTab(t, desktop)
	b.visit(serve(t, elementPage("", nil)))
	for _, c := range logicCases() {
		t.Run(c.name, func(t *testing.T) {
			outer := b.t
			b.t = t
			defer func() { b.t = outer }()
			got := value[string](b, `import("/assets/js/`+c.module+`").then((m) => JSON.stringify((`+c.expression+`), (_, v) => typeof v === "number" && !Number.isFinite(v) ? String(v) : v))`)
			if diff := cmp.Diff(normal(t, c.want), normal(t, got)); diff != "" {
				t.Errorf("%s\ngot %s\n%s", c.expression, got, diff)
			}
		})
	}
}

func normal(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

type logicCase struct{ name, module, expression, want string }

func logicCases() []logicCase {
	var all []logicCase
	for _, group := range [][]logicCase{formatCases(), tickCases(), viewCases(), treeCases(), gapCases(), mergeCases(), seriesCases(), heatCases(), lineCases(), markCases(), pageCases()} {
		all = append(all, group...)
	}
	return all
}

func formatCases() []logicCase {
	return []logicCase{
		{"durations have three digits and a unit", "format.js", `[0, 1, 850, 999.6, 1000, 12345, 999499, 999500, 1e6, 12.34e6, 1e9, 59.99e9].map(m.duration)`,
			`["0", "1 ns", "850 ns", "1 µs", "1 µs", "12.3 µs", "999 µs", "1 ms", "1 ms", "12.3 ms", "1 s", "60 s"]`},
		{"long durations have two units", "format.js", `[60e9, 125e9, 3599.4e9, 3600e9, 3780e9, 86400e9, 90000e9 * 2].map(m.duration)`,
			`["1 min", "2 min 5 s", "59 min 59 s", "1 h", "1 h 3 min", "1 d", "2 d 2 h"]`},
		{"a duration that is none is a dash", "format.js", `[NaN, Infinity, undefined, null, "7", -5e6].map(m.duration)`, `["–", "–", "–", "–", "–", "−5 ms"]`},
		{"rates are per second", "format.js", `[0, 0.001, 0.5, 3.97, 12.34, 1234.5, NaN].map(m.rate)`, `["0/s", "<0.01/s", "0.5/s", "3.97/s", "12.3/s", "1,235/s", "–"]`},
		{"shares are whole per cents", "format.js", `[[1, 2], [1, 1000], [0, 5], [1, 0]].map(([a, b]) => m.percent(a, b))`, `["50 %", "<1 %", "0 %", "–"]`},
		{"clocks are cut to the digits wanted", "format.js", `[m.clock(1795291200123), m.clock(1795291200123, 3), m.day(1795291200123), m.clock(NaN)]`,
			`["20:00:00", "20:00:00.123", "2026-11-21", "–"]`},
	}
}

func tickCases() []logicCase {
	return []logicCase{
		{"steps are round", "ticks.js", `[[1000, 10], [999, 4], [1e9, 8], [10e9, 7], [90e9, 6], [3600e9, 6], [86400e9 * 3, 5]].map(([s, n]) => m.timeStep(s, n))`,
			`[100, 500, 200000000, 2000000000, 15000000000, 600000000000, 86400000000000]`},
		{"a step of nothing is one nanosecond", "ticks.js", `[m.timeStep(0, 5), m.timeStep(-5, 5), m.timeStep(NaN, 5), m.timeStep(10, 0)]`, `[1, 1, 1, 10]`},
		{"labels have one unit and as many decimals as needed", "ticks.js", `m.timeAxis(0, 2.4e9, 6).ticks.map((t) => t.label)`, `["0", "0.5 s", "1.0 s", "1.5 s", "2.0 s"]`},
		{"minutes are read as on a clock", "ticks.js", `m.timeAxis(0, 600e9, 6).ticks.map((t) => t.label)`, `["0", "2:00 min", "4:00 min", "6:00 min", "8:00 min", "10:00 min"]`},
		{"times before the begin are negative", "ticks.js", `m.timeAxis(-2e6, 2e6, 5).ticks.map((t) => t.label)`, `["−2 ms", "−1 ms", "0", "1 ms", "2 ms"]`},
		{"labels count from a base when zoomed in far", "ticks.js", `(({ base, ticks }) => ({ base, labels: ticks.map((t) => t.label) }))(m.timeAxis(12345678000, 12345680000, 5))`,
			`{"base": "12.34567 s", "labels": ["+8.0 µs", "+8.5 µs", "+9.0 µs", "+9.5 µs", "+10.0 µs"]}`},
		{"an axis of nothing has no ticks", "ticks.js", `[[5, 5], [5, 1], [NaN, 1], [0, Infinity]].map(([a, b]) => m.timeAxis(a, b, 5).ticks.length)`, `[0, 0, 0, 0]`},
		{"an axis never has more ticks than asked for and one", "ticks.js", `Math.max(...Array.from({length: 400}, (_, i) => m.timeAxis(0, Math.pow(1.09, i) * 20, 7).ticks.length)) <= 8`, `true`},
		{"a logarithmic axis has decades, or more when there are few", "ticks.js", `[m.logTicks(3e6, 5e9, 3), m.logTicks(1e6, 1e7, 6), m.logTicks(1, 1e9, 3), m.logTicks(0, 5, 3), m.logTicks(1, NaN, 3)]`,
			`[[1e7, 1e8, 1e9], [1e6, 2e6, 5e6, 1e7], [1, 10000, 1e8], [], []]`},
	}
}

func viewCases() []logicCase {
	return []logicCase{
		{"zooming keeps what is under the pointer", "view.js", `m.zoom({start: 0, end: 1000}, 0.5, 250, {start: 0, end: 1000})`, `{"start": 125, "end": 625}`},
		{"zooming out ends at the limits", "view.js", `m.zoom({start: 200, end: 800}, 10, 500, {start: 0, end: 1000})`, `{"start": 0, "end": 1000}`},
		{"zooming in ends at the shortest span", "view.js", `(({start, end}) => end - start)(m.zoom({start: 0, end: 1000}, 1e-9, 500, {start: 0, end: 1000}))`, `20`},
		{"zooming by nonsense changes nothing", "view.js", `[0, -1, NaN, Infinity].map((f) => m.same(m.zoom({start: 1, end: 9}, f, 5, {start: 0, end: 10}), {start: 1, end: 9}))`, `[true, true, true, true]`},
		{"panning stops at the limits and keeps the span", "view.js", `[m.pan({start: 100, end: 300}, -500, {start: 0, end: 1000}), m.pan({start: 100, end: 300}, 5000, {start: 0, end: 1000})]`,
			`[{"start": 0, "end": 200}, {"start": 800, "end": 1000}]`},
		{"a brush drawn backwards is turned around", "view.js", `m.fit({start: 700, end: 300}, {start: 0, end: 1000})`, `{"start": 300, "end": 700}`},
		{"a text that does not fit keeps its begin, or both ends", "labels.js",
			`(() => { const l = new m.Labels({measureText: (t) => ({width: t.length * 10})}); return [l.fit("abcdefghij", 60), l.ends("abcdefghij", 60), l.ends("abcdefghij", 100), l.ends("abcdefghij", 7), l.ends("x".repeat(9999) + "end", 90).length]; })()`,
			`["abcde…", "abc…ij", "abcdefghij", "", 9]`},
		{"a bar is shown with a margin", "view.js", `m.around(400, 500, {start: 0, end: 1000})`, `{"start": 390, "end": 510}`},
		{"the times of a long zoom come back", "view.js", `(() => { const all = {start: 0, end: 3.6e12}; let v = all; for (let i = 0; i < 60; i++) v = m.zoom(v, 0.7, 1.5e12, all); const near = v.start <= 1.5e12 && v.end >= 1.5e12; for (let i = 0; i < 90; i++) v = m.zoom(v, 1 / 0.7, 1.5e12, all); return [near, v]; })()`,
			`[true, {"start": 0, "end": 3.6e12}]`},
	}
}

func treeCases() []logicCase {
	const shape = `.rows.map((r) => [r.label, r.parent, r.depth, r.last])`
	return []logicCase{
		{"rows come with the end of their subtree", "tree.js", `m.treeOf({bars: [{label: "a", parent: -1}, {label: "b", parent: 0}, {label: "c", parent: 1}, {label: "d", parent: 0}, {label: "e", parent: -1}]})` + shape,
			`[["a", -1, 0, 4], ["b", 0, 1, 3], ["c", 1, 2, 3], ["d", 0, 1, 4], ["e", -1, 0, 5]]`},
		{"a subtree in pieces is put together", "tree.js", `m.treeOf({bars: [{label: "a", parent: -1}, {label: "b", parent: -1}, {label: "c", parent: 0}]})` + shape,
			`[["a", -1, 0, 2], ["c", 0, 1, 2], ["b", -1, 0, 3]]`},
		{"cycles, selves and strangers as parents are tops", "tree.js", `m.treeOf({bars: [{label: "a", parent: 1}, {label: "b", parent: 0}, {label: "c", parent: 2}, {label: "d", parent: 99}, {label: "e", parent: "0"}, {label: "f", parent: 0.5}, {label: "g"}]})` + shape,
			`[["a", -1, 0, 2], ["b", 0, 1, 2], ["c", -1, 0, 3], ["d", -1, 0, 4], ["e", -1, 0, 5], ["f", -1, 0, 6], ["g", -1, 0, 7]]`},
		{"bars that are no bars have no names and no times", "tree.js", `m.treeOf({bars: [null, 7, "x", [], {start_ns: "5", duration_ns: NaN, parts: "no", findings: [1, "r"]}]}).rows.map((r) => [r.label, r.start, r.duration, r.parts.length, r.findings])`,
			`[["(no name)", 0, 0, 0, []], ["(no name)", 0, 0, 0, []], ["(no name)", 0, 0, 0, []], ["(no name)", 0, 0, 0, []], ["(no name)", 0, 0, 0, ["r"]]]`},
		{"what is no waterfall is empty", "tree.js", `[undefined, null, 5, {}, {bars: null}, {bars: {}}].map((w) => m.treeOf(w).rows.length)`, `[0, 0, 0, 0, 0, 0]`},
		{"negative durations and parts are nothing, negative starts are before the axis", "tree.js", `(({start, duration, zombie, end, parts}) => ({start, duration, zombie, end, parts}))(m.treeOf({bars: [{parent: -1, start_ns: -50, duration_ns: -7, parts: [{kind: "cpu", ns: -3}, {kind: "zombie", ns: 9}, {kind: "new", ns: 4}]}]}).rows[0])`,
			`{"start": -50, "duration": 0, "zombie": 9, "end": -41, "parts": []}`},
		{"parts of one kind are summed and ordered", "tree.js", `m.treeOf({bars: [{parent: -1, duration_ns: 100, parts: [{kind: "pipe", ns: 1}, {kind: "cpu", ns: 2}, {kind: "cpu", ns: 3}]}]}).rows.map((r) => [r.parts, m.unaccounted(r)])`,
			`[[[{"kind": "cpu", "ns": 5}, {"kind": "pipe", "ns": 1}], 94]]`},
		{"the axis is what the data say, the limits hold all bars", "tree.js", `(({axis, limits}) => ({axis, limits}))(m.treeOf({from: "2026-11-21T20:00:00Z", to: "2026-11-21T20:00:01Z", bars: [{parent: -1, start_ns: -5, duration_ns: 10}, {parent: -1, start_ns: 2e9, duration_ns: 1}]}))`,
			`{"axis": {"start": 0, "end": 1e9}, "limits": {"start": -5, "end": 2000000001}}`},
		{"an axis that ends a little too early is made longer", "tree.js", `m.treeOf({from: "2026-11-21T20:00:00.000000000Z", to: "2026-11-21T20:00:01.000999999Z", bars: [{parent: -1, start_ns: 0, duration_ns: 1000999999}]}).axis`, `{"start": 0, "end": 1000999999}`},
		{"an axis that shows none of the bars is not used", "tree.js", `m.treeOf({from: "2026-11-21T20:00:00Z", to: "2026-11-21T20:00:01Z", bars: [{parent: -1, start_ns: 5e9, duration_ns: 10}]}).axis`, `{"start": 5e9, "end": 5000000010}`},
		{"folded rows hide what is below them", "tree.js", `(() => { const t = m.treeOf({bars: [{parent: -1}, {parent: 0}, {parent: 1}, {parent: 0}, {parent: -1}]}); return [m.visible(t.rows, new Set()), m.visible(t.rows, new Set([1])), m.visible(t.rows, new Set([0, 1])), [...m.foldable(t.rows)]]; })()`,
			`[[0, 1, 2, 3, 4], [0, 1, 3, 4], [0, 4], [0, 1]]`},
		{"a deep tree needs no deep stack", "tree.js", `(({rows, maxDepth}) => [rows.length, maxDepth, rows[0].last])(m.treeOf({bars: Array.from({length: 50000}, (_, i) => ({parent: i - 1}))}))`, `[50000, 49999, 50000]`},
		{"only addresses of this server are followed", "tree.js", `m.treeOf({bars: ["/commands/1?x=2#y", "javascript:alert(1)", "//elsewhere.example/", "https://elsewhere.example/", "data:text/html,x", "", 5].map((href) => ({parent: -1, href}))}).rows.map((r) => r.href)`,
			`["/commands/1?x=2#y", "", "", "", "", "", ""]`},
	}
}

func gapCases() []logicCase {
	return []logicCase{
		{"what children leave", "tree.js", `m.gapsIn(0, 100, [[20, 70], [30, 60], [80, 140], [-5, 5]])`, `[[5, 20], [70, 80]]`},
		{"no children leave all", "tree.js", `[m.gapsIn(5, 10, []), m.gapsIn(5, 5, []), m.gapsIn(5, 10, [[0, 20]]), m.gapsIn(5, 10, [[20, 30]])]`, `[[[5, 10]], [], [], [[5, 10]]]`},
		{"a request is divided by what is below it", "tree.js", `m.treeOf({bars: [{kind: "request", parent: -1, start_ns: 0, duration_ns: 100}, {kind: "call", parent: 0, start_ns: 20, duration_ns: 30}]}).rows.map((r) => [r.self, r.gaps, r.parts.map((p) => p.kind + p.ns)])`,
			`[[70, [[0, 20], [50, 100]], ["own70", "below30"]], [30, [[20, 50]], ["wait30"]]]`},
		{"a command has its own parts, and a caller", "tree.js", `m.treeOf({bars: [{kind: "command", parent: -1, duration_ns: 9, parts: [{kind: "cpu", ns: 4}], caller: {func: "a.b/c.(*D).E", file: "/x/y.go", line: 7}}]}).rows.map((r) => [r.self, r.gaps, r.caller])`, `[[9, null, "c.(*D).E (y.go:7)"]]`},
	}
}

func mergeCases() []logicCase {
	return []logicCase{
		{"bars on one pixel become one", "merge.js", `m.mergeSpans([{start: 0, end: 1}, {start: 2, end: 3}, {start: 500, end: 600}], 0, 3, {start: 0, end: 1000}, 100)`, `[[0, 1, 2], [50, 60, 1]]`},
		{"bars out of view are left out", "merge.js", `m.mergeSpans([{start: -50, end: -1}, {start: -50, end: 10}, {start: 1001, end: 2000}], 0, 3, {start: 0, end: 1000}, 100)`, `[[0, 1, 1]]`},
		{"ten thousand bars are no more spans than pixels", "merge.js", `m.mergeSpans(Array.from({length: 10000}, (_, i) => ({start: i * 7 % 1000, end: i * 7 % 1000 + 1})), 0, 10000, {start: 0, end: 1000}, 100).length <= 100`, `true`},
		{"a view of nothing has no spans", "merge.js", `[m.mergeSpans([{start: 0, end: 1}], 0, 1, {start: 5, end: 5}, 100), m.mergeSpans([{start: 0, end: 1}], 0, 1, {start: 0, end: NaN}, 100)]`, `[[], []]`},
		{"shares fill the width", "merge.js", `[m.divide([1, 1, 1], 3, 10), m.divide([1, 1], 4, 100), m.divide([8, 8], 4, 100), m.divide([], 0, 5), m.divide([0], 0, 5)]`, `[[3, 7, 10], [25, 50], [50, 100], [], [0]]`},
		{"an overview has no more lines than pixels", "merge.js", `m.overview(Array.from({length: 10000}, (_, i) => ({start: i, end: i + 1, failed: i === 77})), {start: 0, end: 10000}, 500, 30).map((l) => l.failed.length).reduce((a, b) => a + b)`, `1`},
	}
}

func heatCases() []logicCase {
	const two = `{items: [{time: "2026-11-21T20:00:00Z", buckets: [{low_ns: 1024, high_ns: 1152, count: 3}, {low_ns: 1048576, high_ns: 1179648, count: 1}]}, {time: "2026-11-21T20:01:00Z", buckets: [{low_ns: 1152, high_ns: 1280, count: 40}]}]}`
	const none = `{from: NaN, to: NaN, step: NaN}`
	return []logicCase{
		{"bands double a duration in even steps", "heatgrid.js", `[[1, 1], [1024, 1], [1024, 8], [1152, 8], [1536, 2], [0, 8]].map(([ns, per]) => m.bandAt(ns, per))`, `[0, 10, 80, 81, 21, 0]`},
		{"a band begins where it is placed", "heatgrid.js", `[8, 4, 2, 1].every((per) => [0, 1, 7, 80, 163].every((b) => Math.abs(m.bandAt(m.bandBegin(b, per), per) - b) < 1e-9 || m.bandBegin(b, per) < 8))`, `true`},
		{"buckets are joined until there is room", "heatgrid.js", `[100, 50, 12, 1].map((room) => { const g = m.gridOf(` + two + `, ` + none + `, room); return [g.per, g.bands, g.most, g.total]; })`, `[[8, 81, 40, 44], [4, 41, 40, 44], [1, 11, 40, 44], [1, 11, 40, 44]]`},
		{"steps without events are there", "heatgrid.js", `(({step, times}) => [step, times.map((t) => t - 1795291200)])(m.gridOf(` + two + `, {from: 1795291140, to: 1795291320, step: 60}, 20))`, `[60, [-60, 0, 60]]`},
		{"few durations are not a wall", "heatgrid.js", `(({bands, low}) => [bands, low])(m.gridOf({items: [{time: "2026-11-21T20:00:00Z", buckets: [{low_ns: 1024, high_ns: 1152, count: 3}]}]}, ` + none + `, 20))`, `[6, 78]`},
		{"shades follow the logarithm", "heatgrid.js", `[0, 1, 10, 100, 1000, 10000, 100000].map((n) => m.levelOf(n, 100000)).concat(m.levelOf(1, 1))`, `[0, 1, 2, 3, 4, 5, 6, 6]`},
		{"a part counts what is as slow or slower", "heatgrid.js", `(() => { const g = m.gridOf(` + two + `, ` + none + `, 100); return [m.countIn(g, {first: 0, last: 1, low: 81}), m.countIn(g, {first: 0, last: 1, low: 0}), m.countIn(g, {first: 1, last: 1, low: 82})]; })()`, `[41, 44, 0]`},
		{"it is said in words", "heatgrid.js", `m.summary(m.gridOf(` + two + `, ` + none + `, 100), (s) => String(s - 1795291200), (ns) => ns + "ns")`,
			`"From 0 to 120, 44 requests; most took 1152ns to 1280ns; 1 of 100 took 1048576ns or longer."`},
		{"hostile buckets do no harm", "heatgrid.js", `[null, {items: [null, {time: "x", buckets: [{}]}, {time: "2026-11-21T20:00:00Z", buckets: [null, {low_ns: -1, count: 3}, {low_ns: 1, count: NaN}, {low_ns: "a", count: 1}]}]}].map((d) => m.gridOf(d, ` + none + `, 9).total)`, `[0, 0]`},
		{"colours are mixed", "heatpaint.js", `[m.mix("rgb(255, 0, 0)", "rgb(0, 0, 255)", 0.5), m.mix("rgb(10, 20, 30)", "rgb(0, 0, 0)", 1)]`, `["rgb(128, 0, 128)", "rgb(10, 20, 30)"]`},
	}
}

func seriesCases() []logicCase {
	const two = `{items: [{time: "2026-11-21T20:00:00Z", count: 10, failed: 1, p50_ns: 5, p90_ns: 6, p99_ns: 7, max_ns: 9}, {time: "2026-11-21T20:00:30Z", count: 20, findings: 2, p50_ns: 1, p90_ns: 2, p99_ns: 3, max_ns: 4}]}`
	return []logicCase{
		{"Go's durations are read", "series.js", `["1h", "1m30s", "250ms", "-1h30m", "", "x", "5", "1.5s"].map(m.seconds)`, `[3600, 90, 0.25, 5400, "NaN", "NaN", "NaN", 1.5]`},
		{"the time asked for is in the address", "series.js", `[m.asked("/api?from=-1h&step=30s", 7200), m.asked("/api?from=2026-11-21T20:00:00Z&to=2026-11-21T21:00:00Z", 0), m.asked("/api", 5)]`,
			`[{"from": 3600, "to": 7200, "step": 30}, {"from": 1795291200, "to": 1795294800, "step": "NaN"}, {"from": "NaN", "to": "NaN", "step": "NaN"}]`},
		{"a step without events has a rate of zero", "series.js", `m.seriesOf(` + two + `, "rate", {from: NaN, to: NaN, step: 10}).lines`, `[[1, 0, 0, 2], [0.1, 0, 0, 0], [0, 0, 0, 0.2]]`},
		{"a step without events has no durations", "series.js", `m.seriesOf(` + two + `, "duration", {from: NaN, to: NaN, step: 10}).lines`, `[[5, null, null, 1], [6, null, null, 2], [7, null, null, 3], [9, null, null, 4]]`},
		{"the whole time asked for is on the axis", "series.js", `(({times}) => [times.length, times[0], times[times.length - 1]])(m.seriesOf(` + two + `, "rate", {from: 1795291100, to: 1795291300, step: 10}))`, `[20, 1795291100, 1795291290]`},
		{"rollups of one time are summed", "series.js", `m.stepsOf({items: [{time: "2026-11-21T20:00:00Z", count: 1, p50_ns: 9, max_ns: 9}, {time: "2026-11-21T20:00:00Z", count: 3, p50_ns: 5, max_ns: 6}]}).map((s) => [s.count, s.p50, s.max])`, `[[4, 5, 9]]`},
		{"hostile rollups do no harm", "series.js", `m.seriesOf({items: [null, {}, {time: "x"}, {time: "2026-11-21T20:00:00Z", count: -5, failed: NaN, max_ns: "9"}]}, "rate", {from: NaN, to: NaN, step: NaN}).lines`, `[[0], [0]]`},
		{"a long time has no more points than are drawn", "series.js", `m.seriesOf({items: [{time: "2020-01-01T00:00:00Z", count: 1}, {time: "2026-01-01T00:00:00Z", count: 1}]}, "rate", {from: NaN, to: NaN, step: 10}).times.length <= 5000`, `true`},
		{"values with none beside them are marked", "series.js", `[m.isolated([1, null, 2, 3, null, 4]), m.isolated([null, undefined]), m.isolated([5])]`, `[[0, 5], [], [0]]`},
		{"no rollups are no points", "series.js", `[undefined, {}, {items: null}].map((l) => m.seriesOf(l, "rate", {from: 0, to: 9, step: 1}).times.length)`, `[0, 0, 0]`},
	}
}

func pageCases() []logicCase {
	return []logicCase{
		{"a time keeps the form that the server gave it", "localtime.js", `["20:15", "20:15:30", "20:15:30.123", "2026-11-21 20:15", "3 min ago", ""].map((like) => m.inForm(1795291200123, like))`,
			`["20:00", "20:00:00", "20:00:00.123", "2026-11-21 20:00", "3 min ago", ""]`},
		{"the first update comes at once, the next half a second later", "liveblock.js", `[m.waitFor(-Infinity, 5), m.waitFor(1000, 1100), m.waitFor(1000, 1500), m.waitFor(1000, 900)]`, `[0, 400, 0, 0]`},
		{"a status says the worst of its blocks", "liveblock.js", `[[{connected: true, pending: 0, dropped: 0}], [{connected: true, paused: true, pending: 1234, dropped: 2}], [{connected: true, paused: true, pending: 0, dropped: 0}], [{connected: true, pending: 0, dropped: 0}, {connected: false, pending: 3, dropped: 0}]].map((b) => m.statusText(b).text)`,
			`["live", "paused: 1,234 new, 2 not sent", "paused", "reconnecting…"]`},
	}
}

func markCases() []logicCase {
	return []logicCase{
		{"marks come in the order of time", "marks.js", `m.marksOf('[{"Look":"bad","Text":"b","From":5,"To":9},{"Look":"ok","Text":"a","From":1,"To":1}]')`,
			`[{"look": "ok", "text": "a", "from": 1, "to": 1}, {"look": "bad", "text": "b", "from": 5, "to": 9}]`},
		{"marks that are none are left out", "marks.js", `["", "{", "null", "5", '[null, 5, "x", {}, {"From": 3, "To": 1}, {"From": "1", "To": 2}]', '[{"From": 1, "To": 2, "Text": 7, "Look": {}}]'].map((s) => m.marksOf(s).map((x) => [x.look, x.text]))`,
			`[[], [], [], [], [], [["", ""]]]`},
		{"marks that touch a time are named", "marks.js", `[[0, 1], [1, 5], [6, 7], [9, 10], [10, 20]].map(([from, to]) => m.marksAt([{from: 1, to: 1, text: "a"}, {from: 5, to: 9, text: "b"}], from, to))`,
			`["", "a", "b", "b", ""]`},
		{"texts do not reach the next line", "marks.js", `[[[0, 50], [55, 20], [60, 28], [98, 4]], [[10, 5], [20, 90]], [[10, 5], [60, 35], [99, 40]], [[10, 30], [40, 5], [99, 40]], [[95, 20]], []].map((all) => m.placeTexts(all.map(([x, width]) => ({x, widths: [width]})), 0, 100, 1).map((p) => p && p.at))`,
			`[[1, null, 61, 93], [11, null], [11, 61, null], [null, 41, 58], [74], []]`},
		{"texts are short where the whole has no room", "marks.js", `[m.formsOf("upgrade 3 rolled back"), m.formsOf("x"), m.placeTexts([{x: 0, widths: [50, 20]}, {x: 40, widths: [30, 10]}, {x: 80, widths: [60, 30]}, {x: 95, widths: [40, 8]}], 0, 100, 1)]`,
			`[["upgrade 3 rolled back", "rolled back"], ["x", "x"], [{"at": 1, "form": 1}, {"at": 41, "form": 0}, null, {"at": 86, "form": 1}]]`},
		{"the parts of an upgrade are in the order of time", "tree.js", `m.treeOf({bars: [{kind: "process", parent: -1, duration_ns: 10, parts: ["drain", "probation", "old_accepts", "new_accepts", "warm"].map((kind) => ({kind, ns: 2}))}]}).rows.map((r) => [r.parts.map((p) => [p.kind, m.KIND_NAMES[p.kind]]), m.unaccounted(r)])`,
			`[[[["old_accepts", "the old process accepts"], ["warm", "warm"], ["probation", "probation"], ["drain", "drain"], ["new_accepts", "the new process accepts"]], 0]]`},
		{"each part has a colour", "colors.js", `["old_accepts", "spawn", "warm", "hand_over", "probation", "drain", "new_accepts", "nonsense"].map(m.tokenOf)`,
			`["own", "wait", "run-delay", "pipe", "cpu", "muted", "ok", "unknown"]`},
	}
}

func lineCases() []logicCase {
	return []logicCase{
		{"values have the unit of their chart", "linesdata.js", `[["percent", 0.4684], ["percent", -2.9], ["percent", 0], ["percent", -1e-9], ["times", 14.4], ["times", 0.001], ["times", 0], ["rate", 0.5], ["other", -3]].map(([u, v]) => m.unitText(u, v))`,
			`["46.8 %", "−290 %", "0 %", "0 %", "14.4×", "<0.01×", "0×", "0.5/s", "−3"]`},
		{"data that are none are empty", "linesdata.js", `[null, 5, {}, {Times: "x"}, {Times: [1, null]}].map((d) => { const l = m.linesOf(d); return [l.times.length, l.lines.length, l.to > l.from, l.high > l.low]; })`,
			`[[0, 0, true, true], [0, 0, true, true], [0, 0, true, true], [0, 0, true, true], [0, 0, true, true]]`},
		{"values that are none are missing", "linesdata.js", `(({lines, marks, shades}) => [lines.map((l) => [l.look, l.values]), marks.length, shades.length])(m.linesOf({Times: [1, 2, 3], Lines: [{Look: "left", Text: "a", Values: [1, null]}, null, {Values: "no"}], Marks: [{At: 2}, {At: "x"}], Shades: [{From: 1, To: 2}, {From: 2, To: 1}]}))`,
			`[[["left", [1, null, null]], ["", [null, null, null]]], 1, 1]`},
		{"an axis that bends has decades with room between them", "linesdata.js", `[m.bent(14.4, 1000, 4), m.bent(1, 20, 4), m.bent(6, 40, 4), m.bent(3, 1e6, 4)]`, `[[0, 100, 1000], [0, 10], [0, 10], [0, 100, 10000, 1000000]]`},
		{"a heatmap has room for its threshold", "heatgrid.js", `[0, 4e6, 64e6, 1e3].map((limit) => { const g = m.gridOf({items: [{time: "2026-11-21T20:00:00Z", buckets: [{low_ns: 2 ** 22, high_ns: 2 ** 22 * 1.125, count: 3}]}]}, {from: NaN, to: NaN, step: 10}, 60, limit); return limit === 0 || (m.bandAt(limit, g.per) >= g.low && m.bandAt(limit, g.per) <= g.low + g.bands); })`, `[true, true, true, true]`},
	}
}
