// The list of keys: search, filters, pages.

import * as api from './api.js';
import { holdsSecret } from './checks.js';
import { now } from './clock.js';
import { $, h, title } from './dom.js';
import { explainWhole } from './explain.js';
import { remember } from './known.js';
import { statusFilter, statusOf } from './status.js';
import { time } from './time.js';

const form = $('#filters'), rows = $('#rows'), lost = $('#lost'), notSearched = $('#not-searched'), size = $('#page-size');
const typing = 250; // milliseconds without a key stroke, after which a search is made

let keys = [], count = 0, offset = 0;
let request = new AbortController(), timer = 0, openKey = () => {};

/** Wires the list. onOpen is called with the key whose title was chosen. */
export function setUp(onOpen) {
	openKey = onOpen;
	const first = () => { offset = 0; return load(); };
	form.addEventListener('submit', (event) => { event.preventDefault(); first(); });
	form.addEventListener('change', (event) => { if (event.target.name !== 'q') first(); });
	$('#filter-q').addEventListener('input', () => { clearTimeout(timer); timer = setTimeout(first, typing); });
	size.addEventListener('change', first);
	$('#page-back').addEventListener('click', () => { offset = Math.max(0, offset - limit()); load(); });
	$('#page-on').addEventListener('click', () => { offset += limit(); load(); });
	$('#lost-retry').addEventListener('click', load);
	$('#empty-clear').addEventListener('click', () => { form.reset(); first(); $('#filter-q').focus(); });
	rows.addEventListener('click', (event) => {
		const row = event.target.closest('tr');
		if (row && getSelection().isCollapsed) openKey(keys.find((key) => key.id === row.dataset.id));
	});
	setInterval(() => { if (keys.length > 0 && !document.hidden) draw(); }, 30_000); // "in 5 minutes" does not stay true
}

/** Asks for the page of keys that the form describes, and shows it. */
export async function load() {
	clearTimeout(timer);
	request.abort();
	const mine = request = new AbortController();
	const { q, type, status, order } = Object.fromEntries(new FormData(form));
	notSearched.hidden = !holdsSecret(q);
	if (!notSearched.hidden) {
		$('#list').removeAttribute('aria-busy');
		return;
	}
	const filter = statusFilter(status, now());
	if (q.trim()) filter.push(['q', q.trim()]);
	if (type) filter.push(['type', type]);
	$('#list').setAttribute('aria-busy', 'true');
	try {
		const page = await api.list(filter, order, limit(), offset, mine.signal);
		if (mine !== request) return;
		if (page.api_keys.length === 0 && page.count > 0) { // the last of the page was deleted
			offset = Math.floor((page.count - 1) / limit()) * limit();
			await load();
			return;
		}
		({ api_keys: keys, count } = page);
		remember(keys);
		lost.hidden = true;
		draw();
	} catch (error) {
		if (mine !== request || error instanceof api.SignedOut) return;
		$('#lost-text').textContent = explainWhole(error) + (keys.length > 0 ? ' The list below is from before.' : '');
		lost.hidden = false;
	} finally {
		if (mine === request) $('#list').removeAttribute('aria-busy');
	}
}

/** Forgets all that was shown. */
export function clear() {
	request.abort();
	request = new AbortController();
	keys = [];
	[count, offset] = [0, 0];
	lost.hidden = notSearched.hidden = true;
	form.reset();
	rows.replaceChildren();
	$('#count').textContent = '';
	$('#empty').hidden = true;
}

/** Shows what is known of a key at once, before the list is asked for again. */
export function replace(key) {
	keys = keys.map((old) => (old.id === key.id ? key : old));
	draw();
}

/** Puts the focus on a key's title, or on the heading where it is not in the list. */
export function focus(id) {
	(rows.querySelector(`[data-id="${CSS.escape(id)}"] button`) ?? $('#heading')).focus();
}

const limit = () => Number(size.value);

function draw() {
	const focused = document.activeElement?.closest('#rows tr')?.dataset.id;
	rows.replaceChildren(...keys.map(row));
	if (focused) focus(focused);
	const last = offset + keys.length;
	const all = `${count} ${count === 1 ? 'key' : 'keys'}`;
	$('#count').textContent = keys.length === count ? all : `${offset + 1}–${last} of ${all}`;
	$('#page-back').disabled = offset === 0;
	$('#page-on').disabled = last >= count;
	const filtered = form.elements.q.value.trim() !== '' || form.elements.type.value !== '' || form.elements.status.value !== '';
	$('#list').classList.toggle('none', count === 0);
	$('#empty').hidden = count > 0;
	$('#empty-text').textContent = filtered ? 'No key matches the search and the filters.' : 'There are no keys yet.';
	$('#empty-clear').hidden = !filtered;
}

function row(key) {
	const at = now();
	return h('tr', { 'data-id': key.id },
		h('th', { scope: 'row' },
			h('button', { type: 'button', class: 'open', 'aria-haspopup': 'dialog' }, title(key.title)),
			h('span', { class: 'under' }, typeBadge(key), h('code', { text: key.redacted }))),
		h('td', { 'data-label': 'Status' }, statusBadge(key, at)),
		h('td', { 'data-label': 'Access' }, access(key)),
		h('td', { 'data-label': 'Last used' }, key.last_used_at ? time(key.last_used_at, 'relative', at) : h('span', { class: 'muted', text: 'Never' })),
		h('td', { 'data-label': 'Created' }, time(key.created_at, 'day')));
}

export const typeBadge = (key) => h('span', { class: `badge ${key.type}`, text: key.type === 'secret' ? 'Secret' : 'Publishable' });

export function statusBadge(key, at) {
	const { name, text, at: when } = statusOf(key, at);
	const badge = h('span', { class: `status ${name}`, text });
	if (when) badge.title = time(when, 'day').title;
	return badge;
}

/** What the key may do, in short: its sales channels, if it is publishable, and its scopes. */
function access({ type, scopes, sales_channels: channels }) {
	const words = type === 'publishable' ? [short(channels.map((channel) => channel.name), 'No sales channel')] : [];
	if (scopes != null) words.push(short(scopes, 'No scope'));
	else if (type === 'secret') words.push('Full');
	return h('span', { class: 'access' }, words);
}

function short(list, none = '') {
	const shown = list.slice(0, 2).map((text) => h('span', { class: 'tag' }, h('bdi', { text })));
	if (list.length > 2) shown.push(h('span', { class: 'muted', title: list.slice(2).join(', '), text: `+${list.length - 2}` }));
	return shown.length > 0 ? shown : h('span', { class: 'muted', text: none });
}
