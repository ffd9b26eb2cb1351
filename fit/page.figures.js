/* page.figures.js - the figures of the page: what each draws, what it is called, and how it is to be read. */

const LOSS = "held-out loss, nats per token";
const fit = data.fit || {};
const E = number(fit.parameters && fit.parameters.E);
const finished = data.points.filter((p) => p.finished && Number.isFinite(number(p.loss)));
const entropy = (data.corpus && data.corpus.entropy) || {};
const exactRate = number(entropy.rate);

function pointWords(p) {
	const lines = [
		`D = ${human(p.D)} tokens, C = ${power(p.C)} FLOPs`,
		`loss ${fixed(p.loss, 4)}${Number.isFinite(number(p.loss_error)) ? " ± " + fixed(p.loss_error, 4) : ""}`,
	];
	if (Number.isFinite(number(p.bits_per_byte))) lines.push(`${fixed(p.bits_per_byte, 3)} bits per byte`);
	if (Number.isFinite(number(p.predicted)))
		lines.push(`fitted ${fixed(p.predicted, 4)}, residual ${signed(100 * Math.expm1(p.residual))} %`);
	if (!p.fit) lines.push(`left out of the fit: ${reasonWords(p.reason)}`);
	return lines;
}

/* False when the fit says that the runs leave a parameter open. */
function determined(name) {
	return !fit.identified || fit.identified[name] !== false;
}

function reasonWords(reason) {
	const known = { short: "fewer than 200 steps", above_bigram: "loss not below the bigram entropy", diverged: "diverged" };
	return known[reason] || reason || "no reason given";
}

const pointTooltip = {
	callbacks: {
		title: (items) => (items.length ? rungName(items[0].raw.row ? items[0].raw.row.rung : items[0].dataset.rung) : ""),
		label: (item) => (item.raw.row ? pointWords(item.raw.row) : ""),
	},
};

/* How the intervals came about. */
function intervalWords() {
	const bootstrap = fit.bootstrap || {};
	if (!fit.intervals) return "";
	const count = Number.isFinite(number(bootstrap.replicates)) ? `${bootstrap.replicates} ` : "";
	if (bootstrap.method === "rungs") return `The intervals on this page therefore come from ${count}fits to whole rungs, drawn anew.`;
	if (bootstrap.method === "simulated") return `The intervals on this page come from ${count}fits to simulated ladders whose runs share such luck within a rung.`;
	return "";
}

function rateLine() {
	if (!Number.isFinite(exactRate)) return [];
	return [{ axis: "y", at: exactRate, colour: colour("mark"), dash: [2, 3], label: `exact entropy rate ${fixed(exactRate)}` }];
}

function describe(points, along) {
	if (!points.length) return "no points yet";
	const losses = points.map((p) => number(p.loss));
	return (
		`${points.length} points of ${new Set(points.map((p) => p.rung)).size} rungs against ${along}, ` +
		`losses from ${fixed(Math.max(...losses))} down to ${fixed(Math.min(...losses))} nats per token`
	);
}

const KEY_MEASURED = { kind: "dot", text: "measured" };
const KEY_LEFT_OUT = { kind: "ring", text: "left out of the fit" };
const KEY_FITTED = { kind: "line", text: "fitted law" };
const KEY_BEYOND = { kind: "dash", text: "extrapolated" };

function pointKeys() {
	const keys = [KEY_MEASURED];
	if (finished.some((p) => !p.fit)) keys.push(KEY_LEFT_OUT);
	if (data.law_known) keys.push(KEY_FITTED, KEY_BEYOND);
	return keys;
}

/* ---- loss against C, N and D ---- */

/* Chart of the points and the traces of one variable. With `minusE` the asymptote is taken off. */
function lossChart({ xOf, title, traces, minusE = false, reach = 1, showE = false, nameTrace = () => ({}) }) {
	const shift = minusE ? E : 0;
	const yOf = (p) => number(p.loss) - shift;
	const points = finished.filter((p) => yOf(p) > 0 && xOf(p) > 0);
	const xRange = rangeOf(points.map(xOf), { reach });
	const shown = traces.map((t) => ({ ...t, y: t.y.map((y) => y - shift) }));
	const visible = shown.flatMap((t) => t.y.filter((y, i) => y > 0 && t.x[i] >= xRange[0] && t.x[i] <= xRange[1]));
	const floor = showE && !minusE ? [E, ...intervalOfE()].filter(Number.isFinite) : [];
	const high = rangeOf([...points.map(yOf), ...(minusE ? [] : rateLine().map((l) => l.at))]);
	const yRange = [Math.min(rangeOf([...visible, ...floor]).at(0), high[0]), high[1]];
	if (!visible.length && !floor.length) yRange[0] = high[0];
	const band = floor.length > 1 ? [{ axis: "y", from: floor[1], to: floor[2], colour: colour("accent-wash") }] : [];
	const lines = minusE ? [] : rateLine();
	if (floor.length) {
		const above = lines.length > 0 && E >= exactRate; /* the two names stand away from one another */
		lines.forEach((line) => (line.below = above));
		lines.push({ axis: "y", at: E, colour: colour("accent"), label: `E = ${fixed(E)}: where the fitted curve would end`, below: !above });
	}
	return {
		datasets: [
			...pointSets(points, xOf, yOf),
			...shown.map((t) => traceSet({ ...t, x: t.x, y: t.y.map((y) => (y > 0 ? y : NaN)) }, nameTrace(t))),
		],
		options: {
			layout: { padding: { right: 64 } },
			scales: {
				x: axis(title, xRange, { format: title.startsWith("C") ? (v) => power(v) : (v) => human(v) }),
				y: axis(minusE ? "held-out loss − E, nats per token" : LOSS, yRange),
			},
			plugins: { marks: { bands: band, lines }, tooltip: pointTooltip },
		},
	};
}

function intervalOfE() {
	const pair = (fit.profile_E && fit.profile_E.interval) || (fit.intervals && fit.intervals.E) || [];
	return pair.map(number);
}

function figureCompute() {
	const state = { count: "C", y: "loss" };
	const titles = { C: "C, training FLOPs (exact)", C_6ND: "C, training FLOPs (6 N D)" };
	figure("figure-C", {
		title: "What compute buys",
		switches: [
			{ label: "how compute is counted", key: "count", options: [["C", "exact FLOPs"], ["C_6ND", "6 N D"]] },
			Number.isFinite(E) && { label: "what is drawn", key: "y", options: [["loss", "loss"], ["rest", "loss − E"]] },
		],
		state,
		keys: [...pointKeys(), ...(data.law_known ? [{ kind: "bold", text: "best N at each C" }] : [])],
		label: `Loss against training compute: ${describe(finished, "compute")}.`,
		caption: [
			"Each marker is one finished run: the loss on text it never saw, after training with that much compute." + (data.law_known ? " A coloured line is the fitted law for one model size; the dark line is the least loss the law allows when the size is chosen freely." : ""),
			!data.law_known ? "Count compute the other way and the small models move, because 6 N D leaves out attention and the output head." : "Solid lines run where there are measurements, dashed ones where there are none. Count compute the other way and the small models move, because 6 N D leaves out attention and the output head. Taking off E makes a good fit look straight; it makes a wrong E look bent at the end.",
		],
		absent: finished.length ? "" : "No run is finished yet.",
		build: () =>
			lossChart({
				xOf: (p) => number(state.count === "C" ? p.C : 6 * p.size * p.D),
				title: titles[state.count],
				traces: data.traces[state.count],
				minusE: state.y === "rest",
				reach: data.law_known ? 6 : 1,
				showE: data.law_known && determined("E"),
				nameTrace: (t) => (t.rung < 0 ? { width: 2.6, endLabel: "best N" } : { width: 1.3 }),
			}),
	});
}

function figuresLaw() {
	const named = { N: "N, parameters", N_matmul: "N, parameters with the output head", N_all: "N, all parameters" };
	figure("figure-N", {
		title: "Against parameters",
		keys: pointKeys(),
		label: `Loss against the number of parameters: ${describe(finished, "parameters")}.`,
		caption: [
			!data.law_known ? "Markers above one another are runs of one model size at different numbers of training tokens." : "Along each line the number of training tokens D is held. The lines flatten to the right: what D tokens cannot teach, no number of parameters can add. The dark line is the law with D without end, and nobody has been on it.",
		],
		absent: finished.length ? "" : "No run is finished yet.",
		build: () =>
			lossChart({
				xOf: (p) => number(p.size),
				title: named[data.size_name],
				traces: data.traces.N,
				reach: data.law_known ? 2.5 : 1,
				nameTrace: (t) =>
					t.held === "inf"
						? { width: 2.2, tint: colour("ink"), endLabel: "D = ∞" }
						: { width: 1.2, tint: colour("neutral"), endLabel: `D = ${human(t.held, 2)}` },
			}),
	});
	figure("figure-D", {
		title: "Against training tokens",
		keys: pointKeys(),
		label: `Loss against the number of training tokens: ${describe(finished, "tokens")}.`,
		caption: [
			"Each colour is one model size. Every run of a size branches off the same trunk, so these points share its luck: they are not independent measurements. " + intervalWords(),
		],
		absent: finished.length ? "" : "No run is finished yet.",
		build: () =>
			lossChart({
				xOf: (p) => number(p.D),
				title: "D, training tokens",
				traces: data.traces.D,
				reach: data.law_known ? 2.5 : 1,
				nameTrace: (t) => (t.rung < 0 ? { width: 2.2, endLabel: "N = ∞" } : { width: 1.4 }),
			}),
	});
}

/* ---- isoFLOP ---- */

function rungOfSize(size) {
	let best = 0;
	data.rungs.forEach((rung, i) => {
		if (Math.abs(Math.log(rung.size / size)) < Math.abs(Math.log(data.rungs[best].size / size))) best = i;
	});
	return best;
}

function figureIsoflop() {
	const budgets = fit.isoflop || [];
	const edges = budgets.filter((b) => b.edge || !b.minimum).length;
	figure("figure-isoflop", {
		title: "Equal compute, different sizes (isoFLOP)",
		keys: [
			{ kind: "dot", text: "loss at this budget" },
			{ kind: "line", text: "parabola in ln N" },
			{ kind: "target", text: "its minimum" },
		],
		label:
			`IsoFLOP curves at ${budgets.length} budgets; minima at ` +
			budgets.map((b) => (b.minimum && !b.edge ? `N = ${human(b.minimum.N)} for C = ${power(b.C)}` : "")).filter(Boolean).join(", ") + ".",
		caption: [
			"Every curve spends one budget C on models of different sizes: to the left small models that see many tokens, to the right large ones that see few. Each has a best size; the ring marks it.",
			"The valleys are flat, so the minimum is far less certain than its height, and a parabola is only an approximation that leans when the sizes are few or off-centre." +
				(edges ? ` ${edges} of ${budgets.length} budgets have their least loss at the edge of the sizes tried; those say nothing about the best size and are not marked.` : ""),
		],
		absent: budgets.length ? "" : "There are no isoFLOP curves: they take at least three model sizes at one budget, and a fit.",
		build: () => {
			const sets = [];
			const byRung = data.rungs.map(() => []);
			for (const budget of budgets) {
				const sizes = budget.points.map((p) => number(p.N));
				const [low, high] = [Math.min(...sizes) / 1.25, Math.max(...sizes) * 1.25];
				for (const p of budget.points) byRung[rungOfSize(p.N)].push({ x: number(p.N), y: number(p.loss), budget, p });
				const [c0, c1, c2] = (budget.parabola || []).map(number);
				if (!Number.isFinite(c2)) continue;
				const xs = Array.from({ length: 41 }, (_, i) => Math.exp(Math.log(low) + (Math.log(high / low) * i) / 40));
				sets.push({
					data: xs.map((x) => ({ x, y: c0 + Math.log(x) * (c1 + c2 * Math.log(x)) })),
					radius: 0, hitRadius: 0, hoverRadius: 0, borderWidth: 1.3, borderColor: colour("neutral"),
					endLabel: "C = " + power(budget.C), order: 2,
				});
			}
			byRung.forEach((points, rung) => {
				const marker = MARKERS[rung % MARKERS.length];
				if (points.length)
					sets.push({
						rung, data: points, showLine: false, pointStyle: marker.style, rotation: marker.rotation,
						radius: 4.4 * marker.size, hoverRadius: 6.5, hitRadius: 5, borderWidth: 1, borderColor: colour("surface"),
						backgroundColor: rungColour(rung), order: 1,
					});
			});
			const minima = budgets.filter((b) => b.minimum && !b.edge).map((b) => ({ x: number(b.minimum.N), y: number(b.minimum.loss), budget: b, p: b.minimum, least: true }));
			sets.push({
				data: minima, showLine: false, radius: 7, hoverRadius: 8, hitRadius: 3, borderWidth: 2, borderColor: colour("ink"),
				backgroundColor: "transparent", order: 0,
			});
			const all = sets.flatMap((s) => s.data);
			return {
				datasets: sets,
				options: {
					layout: { padding: { right: 84 } },
					scales: {
						x: axis("N, parameters", rangeOf(all.map((p) => p.x), { pad: 0.02 }), { format: (v) => human(v) }),
						y: axis(LOSS, rangeOf(all.map((p) => p.y))),
					},
					plugins: {
						tooltip: {
							callbacks: {
								title: (items) => (items.length ? `C = ${power(items[0].raw.budget.C)} FLOPs` : ""),
								label: ({ raw }) => [
									raw.least ? "minimum of the parabola" : rungName(rungOfSize(raw.p.N)),
									`N = ${human(raw.p.N)}, D = ${human(raw.p.D)}`,
									`loss ${fixed(raw.p.loss, 4)}`,
								],
							},
						},
					},
				},
			};
		},
	});
}

/* ---- trust ---- */

function figureProfile() {
	const curve = ((fit.profile_E && fit.profile_E.curve) || []).map((at) => ({ x: number(at.E), y: number(at.objective) }));
	const limit = Math.min(...curve.map((at) => at.y).filter(Number.isFinite)) + number((fit.profile_E || {}).threshold);
	const usable = curve.filter((at) => Number.isFinite(at.x) && Number.isFinite(at.y));
	const [low, high] = intervalOfE();
	const words = Number.isFinite(low) ? ` The shaded values, ${fixed(low)} to ${fixed(high)}, are those the runs allow at 90 %.` : "";
	figure("figure-E", {
		title: "Which E the runs allow",
		label: `Profile of E: the objective is least at E = ${fixed(E)}.${words}`,
		caption: [
			`E is held at each value in turn and everything else is fitted again; the curve is how badly that goes.${words}`,
			"A flat valley means that the runs do not know where the loss ends. The interval takes the formula for granted: another formula has another asymptote.",
		],
		absent: usable.length > 1 ? "" : "There is no profile of E: it takes a fit.",
		build: () => {
			const lines = [];
			if (Number.isFinite(E)) lines.push({ axis: "x", at: E, colour: colour("accent"), label: `E = ${fixed(E)}`, width: 1.6 });
			if (Number.isFinite(limit)) lines.push({ axis: "y", at: limit, colour: colour("faint"), dash: [4, 4], label: "limit of the 90 % interval" });
			if (Number.isFinite(exactRate))
				lines.push({ axis: "x", at: exactRate, colour: colour("mark"), dash: [2, 3], label: `exact rate ${fixed(exactRate)}`, left: exactRate < E });
			return {
				datasets: [{ data: usable, borderColor: colour("accent"), borderWidth: 2, radius: 0, hoverRadius: 4, hitRadius: 12, backgroundColor: colour("accent") }],
				options: {
					scales: {
						x: axis("E held at, nats per token", rangeOf([...usable.map((p) => p.x), ...(Number.isFinite(exactRate) ? [exactRate] : [])], { log: false, pad: 0.02 }), { log: false, format: (v) => trimmed(v, 3) }),
						y: axis("objective (lower fits better)", rangeOf(usable.map((p) => p.y), { log: false, pad: 0.06 }), { log: false, format: (v) => (v === 0 ? "0" : v < 0.01 ? power(v, 3) : trimmed(v, 3)) }),
					},
					plugins: {
						marks: { bands: Number.isFinite(low) ? [{ axis: "x", from: low, to: Math.min(high, 1e6), colour: colour("accent-wash") }] : [], lines },
						tooltip: { callbacks: { title: (items) => (items.length ? `E = ${fixed(items[0].raw.x)}` : ""), label: ({ raw }) => `objective ${trimmed(raw.y, 4)}` } },
					},
				},
			};
		},
	});
}

/* Which rung lies furthest from the law on average: what a scatter of points hides. */
function leaningRung() {
	let worst = null;
	data.rungs.forEach((_, rung) => {
		const own = data.points.filter((p) => p.rung === rung && Number.isFinite(number(p.residual))).map((p) => p.residual);
		if (own.length < 2) return;
		const mean = own.reduce((a, b) => a + b) / own.length;
		if (!worst || Math.abs(mean) > Math.abs(worst.mean)) worst = { rung, mean };
	});
	return worst;
}

function figureResiduals() {
	const points = data.points.filter((p) => Number.isFinite(number(p.residual)));
	const lean = leaningRung();
	const percent = (p) => 100 * Math.expm1(p.residual);
	const bars = (p) => {
		const error = (100 * number(p.loss_error)) / number(p.loss);
		return [percent(p) - error, percent(p) + error];
	};
	figure("figure-residuals", {
		title: "What the law leaves over",
		label: `Residuals of ${points.length} points, from ${fixed(Math.min(...points.map(percent)), 2)} to ${fixed(Math.max(...points.map(percent)), 2)} percent.`,
		caption: [
			"How far each measured loss lies above or below the fitted one; bars are one standard error of the held-out set. If the law were the whole story they would scatter about zero. One colour on one side, or an arch, is the law failing there.",
			lean ? `The rung that leans most is ${rungName(lean.rung)}: ${signed(100 * Math.expm1(lean.mean))} % on average.` : "",
		],
		absent: points.length ? "" : "There are no residuals: they take a fit.",
		build: () => {
			const xOf = (p) => number(p.C);
			const sets = pointSets(points, xOf, percent, { errorOf: bars });
			sets.forEach((set) => (set.errors = true));
			const ends = points.flatMap((p) => [percent(p), ...bars(p)]);
			return {
				datasets: sets,
				options: {
					scales: {
						x: axis("C, training FLOPs (exact)", rangeOf(points.map(xOf)), { format: (v) => power(v) }),
						y: axis("measured against fitted loss, %", rangeOf([...ends, 0], { log: false }), { log: false, format: (v) => signed(v, 1) }),
					},
					plugins: { marks: { lines: [{ axis: "y", at: 0, colour: colour("faint") }] }, tooltip: pointTooltip },
				},
			};
		},
	});
}

function figurePrediction() {
	const prediction = fit.prediction || {};
	const points = (prediction.points || []).filter((p) => Number.isFinite(number(p.loss)) && Number.isFinite(number(p.predicted)));
	const rung = points.length ? rungOfSize(prediction.N) : 0;
	const step = rung > 0 ? data.rungs[rung].size / data.rungs[rung - 1].size : NaN;
	const worst = points.reduce((a, p) => Math.max(a, Math.abs(p.predicted / p.loss - 1)), 0);
	figure("figure-prediction", {
		title: "The largest rung, predicted from the smaller ones",
		keys: [
			{ kind: "dot", text: "predicted by the law, with its interval" },
			...(points.some((p) => Number.isFinite(number(p.baseline))) ? [{ kind: "ring", text: "by a pure power law without E" }] : []),
			{ kind: "line", text: "measured: zero" },
		],
		label: `Predicted and measured losses of the largest rung at ${points.length} token counts; largest error ${fixed(100 * worst, 2)} percent.`,
		caption: [
			`The law was fitted again without the largest model and then asked for its losses: the one test on this page that the fit had no part in. ${points.length ? `The largest error is ${fixed(100 * worst, 2)} %.` : ""}`,
			Number.isFinite(step) ? `It is a step of ${trimmed(step, 2)} times in N. Predicting ten or a hundred times further is another matter, and errors grow with the distance.` : "",
		],
		absent: points.length ? "" : "There is no prediction: it takes a fit over at least four model sizes.",
		build: () => {
			const off = (value, p) => 100 * (number(value) / number(p.loss) - 1);
			const marker = MARKERS[rung % MARKERS.length];
			const marked = points.map((p) => ({ x: number(p.D), y: off(p.predicted, p), p, e: (p.interval || []).map((end) => off(end, p)) }));
			const set = {
				data: marked, errors: true, errorColour: rungColour(rung), rung, showLine: false,
				pointStyle: marker.style, rotation: marker.rotation, radius: 4.4 * marker.size, hoverRadius: 7, hitRadius: 8,
				backgroundColor: rungColour(rung), borderColor: colour("surface"), borderWidth: 1,
			};
			const naive = points.filter((p) => Number.isFinite(number(p.baseline))).map((p) => ({ x: number(p.D), y: off(p.baseline, p), p, e: [] }));
			const ring = { data: naive, rung, showLine: false, radius: 4, hoverRadius: 6, hitRadius: 6, borderWidth: 1.5, borderColor: colour("neutral"), backgroundColor: "transparent" };
			return {
				datasets: [set, ring],
				options: {
					scales: {
						x: axis("D, training tokens", rangeOf(marked.map((m) => m.x)), { format: (v) => human(v) }),
						y: axis("predicted against measured loss, %", rangeOf([0, ...[...marked, ...naive].flatMap((m) => [m.y, ...m.e])], { log: false, pad: 0.1 }), { log: false, format: (v) => signed(v, 1) }),
					},
					plugins: {
						marks: { lines: [{ axis: "y", at: 0, colour: colour("ink") }] },
						tooltip: {
							callbacks: {
								title: (items) => (items.length ? `D = ${human(items[0].raw.x)} tokens` : ""),
								label: ({ raw: { p, y } }) => [
									`measured ${fixed(p.loss, 4)}`,
									`predicted ${fixed(p.predicted, 4)}${p.interval ? `, ${interval(p.interval, (v) => fixed(v, 4))}` : ""}`,
									...(Number.isFinite(number(p.baseline)) ? [`by a pure power law ${fixed(p.baseline, 4)}`] : []),
									`error ${signed(y)} %`,
								],
							},
						},
					},
				},
			};
		},
	});
}

/* ---- learning curves ---- */

function figureLearning() {
	const state = { what: "held_out" };
	const curves = data.curves;
	figure("figure-learning", {
		title: "While training",
		switches: [{ label: "which loss", key: "what", options: [["held_out", "held-out"], ["train", "train"]] }],
		state,
		keys: [{ kind: "bold", text: "trunk, at a constant rate" }, { kind: "line", text: "cooldown to rate zero" }, { kind: "dot", text: "end of a run" }],
		label: `Learning curves: ${curves.filter((c) => c.trunk).length} trunks and ${curves.filter((c) => !c.trunk).length} runs, loss against tokens seen.`,
		caption: [
			"One trunk per model size runs at a constant learning rate; at every horizon a run branches off and cools down to rate zero, which takes out the noise that a rate keeps up. Only the ends of cooldowns enter the fit: a loss read off a trunk is not the loss of a finished model.",
			"Along the way fewer held-out tokens may be used than at the end, so a curve need not meet its marker. Train losses are means over the tokens between two marks. Long logs are thinned evenly on the log axis; all rows stand in the runs' log.jsonl.",
		],
		absent: curves.length ? "" : "There are no learning curves: the lab has no runs/ with log.jsonl.",
		build: () => {
			const sets = [];
			const xs = [];
			const ys = [];
			data.rungs.forEach((_, rung) => {
				for (const trunk of [true, false]) {
					const line = [];
					for (const curve of curves.filter((c) => c.rung === rung && c.trunk === trunk)) {
						const x = curve[state.what + "_x"];
						const y = curve[state.what + "_y"];
						for (let i = 0; i < x.length; i++) line.push({ x: x[i], y: y[i], curve });
						line.push({ x: NaN, y: NaN });
						xs.push(...x);
						ys.push(...y);
					}
					if (line.length)
						sets.push({
							rung, data: line, radius: 0, hoverRadius: 3, hitRadius: 4, spanGaps: false, borderWidth: trunk ? 2 : 1.2,
							borderColor: faded(rungColour(rung), trunk ? 1 : 0.8), backgroundColor: rungColour(rung), order: 2,
						});
				}
			});
			const ends = state.what === "held_out" ? pointSets(finished, (p) => number(p.D), (p) => number(p.loss)) : [];
			ends.forEach((set) => (set.data.forEach((p) => ys.push(p.y)), (set.radius *= 0.7)));
			const lines = [...rateLine()];
			for (const name of ["unigram", "bigram"])
				if (Number.isFinite(number(entropy[name])))
					lines.push({ axis: "y", at: number(entropy[name]), colour: colour("faint"), dash: [5, 4], label: `${name} entropy ${fixed(entropy[name], 2)}` });
			return {
				datasets: [...ends, ...sets],
				options: {
					scales: {
						x: axis("tokens seen", rangeOf(xs, { pad: 0.02 }), { format: (v) => human(v) }),
						y: axis(state.what === "train" ? "train loss, nats per token" : LOSS, rangeOf([...ys, exactRate])),
					},
					plugins: {
						marks: { lines },
						tooltip: {
							callbacks: {
								title: (items) => (items.length ? rungName(items[0].dataset.rung) : ""),
								label: ({ raw }) =>
									raw.row ? pointWords(raw.row) : [`${raw.curve.trunk ? "trunk" : "run " + raw.curve.id}`, `${human(raw.x)} tokens: ${fixed(raw.y, 4)}`],
							},
						},
					},
				},
			};
		},
	});
}

/* ---- what the losses mean ---- */

/* The bars: each rung's best run, what compressors need, what simple statistics need. Bits per byte for text, nats per
 * token for synthetic symbols, which stand for no bytes. */
function bitsRows() {
	const corpus = data.corpus || {};
	const held = corpus.held_out || {};
	const bytes = number(held.bytes) / number(held.tokens);
	const text = finished.some((p) => Number.isFinite(number(p.bits_per_byte)));
	const scale = text ? 1 / Math.LN2 / bytes : 1;
	const rows = [];
	for (const c of corpus.compressors || []) {
		rows.push({ name: c.name, value: number(c.alone), kind: "plain" });
		rows.push({ name: `${c.name} after train`, value: number(c.after_train), kind: "plain" });
	}
	rows.push({ name: "unigram entropy", value: number(entropy.unigram) * scale, kind: "faint" });
	rows.push({ name: "bigram entropy", value: number(entropy.bigram) * scale, kind: "faint" });
	const step = Math.max(1, Math.ceil(data.rungs.length / 8));
	data.rungs.forEach((_, rung) => {
		if ((data.rungs.length - 1 - rung) % step) return;
		const own = finished.filter((p) => p.rung === rung).map((p) => number(text ? p.bits_per_byte : p.loss));
		const usable = own.filter(Number.isFinite);
		if (usable.length) rows.push({ name: `N = ${human(data.rungs[rung].size)}`, value: Math.min(...usable), kind: "rung", rung });
	});
	const [low, high] = intervalOfE();
	if (determined("E")) rows.push({ name: "E, asymptote", value: E * scale, kind: "E", e: [low * scale, high * scale] });
	if (!text) rows.push({ name: "exact entropy rate", value: exactRate, kind: "mark" });
	return { text, rows: rows.filter((r) => Number.isFinite(r.value)).sort((a, b) => b.value - a.value) };
}

function figureBits() {
	const { text, rows } = bitsRows();
	const unit = text ? "bits per byte of held-out text" : "nats per token";
	const tints = { plain: "neutral", faint: "faint", mark: "mark", E: "accent" };
	const tint = (row) => (row.kind === "rung" ? rungColour(row.rung) : colour(tints[row.kind]));
	figure("figure-bits", {
		title: text ? "Beside general compressors" : "Beside what is known of the source",
		label: `Bars in ${unit}: ` + rows.map((r) => `${r.name} ${fixed(r.value, 2)}`).join(", ") + ".",
		caption: text
			? [
					"How many bits a byte of the held-out text costs: coded with the best run of each model size N; by general compressors on the same bytes, alone and after they have seen the training text; and by counting single tokens (unigram) and pairs (bigram).",
					"This is a yardstick and not a race: a model's own size is not counted here, and compressors look back only so far. E is the fitted asymptote with its interval, reached by nobody.",
				]
			: ["The entropy rate of this source is known exactly, and no model can pass it: how near E comes to it tests the whole measurement. Unigram and bigram entropies are counted in the training tokens."],
		absent: rows.length ? "" : "Nothing to compare yet.",
		height: `${Math.max(9, 2.1 * rows.length + 4.5)}rem`,
		build: () => ({
			type: "bar",
			labels: rows.map((r) => r.name),
			datasets: [
				{
					data: rows.map((r) => r.value), backgroundColor: rows.map(tint), borderRadius: 3, barPercentage: 0.72, categoryPercentage: 0.95,
					barLabels: rows.map((r) => fixed(r.value, 2)), barErrors: rows.map((r) => r.e),
				},
			],
			options: {
				indexAxis: "y",
				layout: { padding: { right: 44 } },
				scales: {
					x: { ...axis(unit, [0, undefined], { log: false, format: (v) => trimmed(v, 3) }), beginAtZero: true },
					y: { grid: { display: false, borderColor: colour("line") }, ticks: { color: colour("ink"), autoSkip: false } },
				},
				plugins: { tooltip: { callbacks: { label: (item) => `${fixed(rows[item.dataIndex].value, 3)} ${unit}` } } },
			},
		}),
	});
}
