// Parts of the page change one after the other, a frame each, so that no frame has all the work of a second.

import { Component, type ComponentChildren } from "preact";

interface TurnProps {
  // Frames after the news; none: with it.
  frame: number;
  children: ComponentChildren;
}

export class Turn extends Component<TurnProps, { shown: ComponentChildren }> {
  override state = { shown: this.props.children };
  private waiting = 0;
  private next: ComponentChildren;

  override shouldComponentUpdate(props: TurnProps, state: { shown: ComponentChildren }): boolean {
    if (state !== this.state || props.frame === 0) return true;
    this.next = props.children;
    if (!this.waiting) this.wait(props.frame);
    return false;
  }

  override componentWillUnmount(): void {
    cancelAnimationFrame(this.waiting);
  }

  private wait(frames: number): void {
    this.waiting = requestAnimationFrame(() => {
      if (frames > 1) {
        this.wait(frames - 1);
      } else {
        this.waiting = 0;
        this.setState({ shown: this.next });
      }
    });
  }

  override render(): ComponentChildren {
    return this.props.frame === 0 ? this.props.children : this.state.shown;
  }
}
