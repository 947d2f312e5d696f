// Keeps one view on the page as new as its data: asks again while somebody looks, and says how old what is shown is.

import { show } from './dom.js';
import { trouble } from './parts.js';

/** Shows one view in `holder` until it is stopped. `onState` is told when data came, and when they did not. */
export class Live {
  constructor(holder, view, place, context, onState) {
    Object.assign(this, { holder, view, place, context, onState, stopping: new AbortController() });
    this.seen = () => document.visibilityState === 'visible' && this.overdue && this.#ask();
    document.addEventListener('visibilitychange', this.seen);
  }

  /** Ask, draw, and go on. */
  start() {
    return this.#ask();
  }

  /** Ask no more. */
  stop() {
    this.stopping.abort();
    clearTimeout(this.timer);
    document.removeEventListener('visibilitychange', this.seen);
  }

  async #ask() {
    this.overdue = false;
    try {
      const data = await this.view.load(this.place, this.stopping.signal, this.context);
      if (this.stopping.signal.aborted) return;
      this.data = data;
      this.drawn = true;
      show(this.holder, this.view.draw(data, this.place, this.context, () => this.#ask()));
      this.onState({ at: Date.now() });
    } catch (error) {
      if (this.stopping.signal.aborted) return;
      this.#failed(error);
    }
    this.#later();
  }

  // What was seen before stays, with a word on its age; an error of ours is not to be taken for a silent worker.
  #failed(error) {
    if (!('status' in error)) console.error(error);
    if (!this.drawn) show(this.holder, trouble(error));
    this.onState({ error });
  }

  #later() {
    if (!this.view.every) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (document.visibilityState === 'visible') this.#ask();
      else this.overdue = true;
    }, this.view.every * 1000);
  }
}
