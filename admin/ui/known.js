// What this page has seen of keys, so that ids can be shown with names and known words be suggested.

import * as api from './api.js';
import { $, h } from './dom.js';

const titles = new Map(), channels = new Map(), scopes = new Set();
let askedForChannels = false;

export function remember(keys) {
	for (const key of keys) {
		titles.set(key.id, key.title);
		for (const scope of key.scopes ?? []) scopes.add(scope);
		for (const channel of key.sales_channels ?? []) channels.set(channel.id, channel.name);
	}
}

export function forget() {
	titles.clear();
	channels.clear();
	scopes.clear();
	askedForChannels = false;
	suggest();
}

/** The title of a key, or undefined. */
export const titleOf = (id) => titles.get(id);

/** Fills the suggestions of scopes. */
export function suggestScopes() {
	for (const scope of ['keys:read', 'keys:write', 'keys:verify']) scopes.add(scope); // those of the admin routes themselves
	suggest();
}

/** Fills the suggestions of sales channels: those of the shop, if it tells them, and those that have been seen. */
export async function suggestChannels() {
	suggest();
	if (askedForChannels) return;
	askedForChannels = true;
	for (const { id, name } of await api.salesChannels()) channels.set(id, name);
	suggest();
}

function suggest() {
	const options = (entries) => entries.map(([value, label]) => h('option', { value, label }));
	$('#known-scopes').replaceChildren(...options([...scopes].sort().map((scope) => [scope, scope])));
	$('#known-channels').replaceChildren(...options([...channels]));
}
