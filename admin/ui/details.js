// Everything about one key, what can be done with it, and its audit trail.

import * as api from './api.js';
import { facts } from './attributes.js';
import { now } from './clock.js';
import { attempt, closable, open } from './dialog.js';
import { $, h, title } from './dom.js';
import { remember, titleOf } from './known.js';
import { focus, statusBadge, typeBadge } from './list.js';
import { isSelf } from './session.js';
import { statusOf } from './status.js';
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
		edit: true, channels: key.type === 'publishable', roll: name === 'active' || name === 'ending', revoke: name !== 'revoked', delete: name === 'revoked',
	};
	for (const button of $('#details-verbs').children) {
		const hide = !verbs[button.dataset.verb];
		if (hide && button === document.activeElement) $('#details-title').focus();
		button.hidden = hide;
	}
	$('#details-facts').replaceChildren(...facts(key, actor).map(([label, value]) => h('div', {}, h('dt', { text: label }), h('dd', {}, value))));
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
