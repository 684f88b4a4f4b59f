// Everything about one key, what can be done with it, and its audit trail.

import * as api from './api.js';
import { now } from './clock.js';
import { attempt, closable, open } from './dialog.js';
import { $, h, title } from './dom.js';
import { copyButton } from './copy.js';
import { remember, titleOf } from './known.js';
import { focus, statusBadge, typeBadge } from './list.js';
import { isSelf } from './session.js';
import { statusOf } from './status.js';
import { time } from './time.js';
import { clearTrail, showTrail } from './trail.js';

const dialog = $('#details'), failed = $('#details-error');
let shown = null;

/** Wires the sheet. verbs has a function of the key for each data-verb. */
export function setUp(verbs) {
	closable(dialog);
	dialog.addEventListener('close', () => { $('[data-said]', dialog).textContent = ''; });
	$('#details-verbs').addEventListener('click', (event) => {
		const verb = event.target.closest('[data-verb]')?.dataset.verb;
		if (verb) verbs[verb](shown);
	});
}

/** Opens the sheet for a key, as the list has it, and then as the server has it now. */
export async function show(key) {
	draw(key);
	if (!dialog.open) open(dialog, () => focus(shown.id));
	$('.body', dialog).scrollTop = 0;
	$('#details-title').focus();
	await refresh();
}

/** Asks the server for the key and its trail. */
export async function refresh() {
	const { id } = shown;
	const trail = showTrail(id, actor);
	const key = await attempt(failed, () => api.get(id));
	if (key && shown.id === id) {
		remember([key]);
		draw(key);
	}
	await trail;
}

/** Shows a key that was changed. */
export function update(key) {
	if (shown?.id !== key.id) return;
	draw(key);
	refresh();
}

export const close = () => dialog.close();

/** Forgets all that was shown. */
export function clear() {
	shown = null;
	for (const part of ['#details-title', '#details-badges', '#details-facts']) $(part).replaceChildren();
	clearTrail();
}

function draw(key) {
	shown = key;
	const at = now(), { name } = statusOf(key, at);
	$('#details-title').replaceChildren(title(key.title));
	$('#details-badges').replaceChildren(typeBadge(key), statusBadge(key, at));
	const verbs = {
		rename: true, channels: key.type === 'publishable', roll: name === 'active' || name === 'ending', revoke: name !== 'revoked', delete: name === 'revoked',
	};
	for (const button of $('#details-verbs').children) {
		const hide = !verbs[button.dataset.verb];
		if (hide && button === document.activeElement) $('#details-title').focus();
		button.hidden = hide;
	}
	$('#details-facts').replaceChildren(...facts(key).filter(([, value]) => value != null).map(([label, value]) => h('div', {}, h('dt', { text: label }), h('dd', {}, value))));
}

function facts(key) {
	const list = (words, none) => (words.length > 0 ? h('span', { class: 'tags' }, words.map((word) => h('span', { class: 'tag' }, h('bdi', { text: word })))) : none);
	const metadata = Object.entries(key.metadata ?? {});
	return [
		['Token', key.token ? h('span', { class: 'copyable' }, h('code', { text: key.token }), copyButton(() => key.token, 'Copy the token')) : h('code', { text: key.redacted })],
		['Id', h('span', { class: 'copyable' }, h('code', { text: key.id }), copyButton(() => key.id, 'Copy the id'))],
		['Scopes', key.scopes == null ? 'Full access' : list(key.scopes, 'None: it may do nothing')],
		['Sales channels', key.type === 'publishable' ? list(key.sales_channels.map((c) => (c.name === c.id ? c.id : `${c.name} (${c.id})`)), 'None') : null],
		['Addresses', key.allowed_cidrs?.length ? list(key.allowed_cidrs) : null],
		['Rate limit', key.rate_limit ? `${key.rate_limit.requests} requests in ${key.rate_limit.window} s` : null],
		['Metadata', metadata.length > 0 ? list(metadata.map(([name, value]) => `${name}: ${value}`)) : null],
		['Expires', key.expires_at ? time(key.expires_at) : 'Never'],
		[Date.parse(key.revoked_at) > now() ? 'Ends' : 'Revoked', key.revoked_at ? [time(key.revoked_at), ', by ', actor(key.revoked_by)] : null],
		['Last used', key.last_used_at ? time(key.last_used_at) : 'Never'],
		['Created', [time(key.created_at), ', by ', actor(key.created_by)]],
		['Rolled from', key.rolled_from ? actor(key.rolled_from) : null],
	];
}

/** Who did something: a key, which can be looked at, or a name of the app's own. */
function actor(id) {
	if (!id) return h('span', { class: 'muted', text: 'the program' });
	if (!id.startsWith('apk_')) return h('bdi', { text: id });
	const text = titleOf(id) || id;
	return h('button', { type: 'button', class: 'link', title: id, onclick: () => visit(id) }, h('bdi', { text }), isSelf(id) ? ' (you)' : '');
}

async function visit(id) {
	const key = await attempt(failed, () => api.get(id));
	if (!key) return;
	remember([key]);
	await show(key);
}
