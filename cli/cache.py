"""``sister-keras cache``: show and clear what is kept between commands."""

import click

from keras_sister.storage.cache import KINDS

_KIND = click.argument("kinds", metavar="[KIND]…", nargs=-1, type=click.Choice([*KINDS, "all"]))


@click.group(short_help="Show and clear cached files.")
def cache() -> None:
    """Show and clear cached files: view stores, feature stores, and downloaded weights and models.

    They are in the folder $KERAS_SISTER_CACHE, or in the user's cache folder. Everything in it can be made or
    downloaded again.
    """


@cache.command("list")
def list_() -> None:
    """List the cached files by kind, with their sizes.

    \b
    sister-keras cache list
    """
    from keras_sister.storage.cache import cache_folder, list_cache

    entries = list_cache()
    click.echo(f"{cache_folder()}: {_size(sum(entry.size for entry in entries))}")
    for kind, description in KINDS.items():
        of_kind = [entry for entry in entries if entry.kind == kind]
        click.echo(f"\n{kind} ({description}): {_size(sum(entry.size for entry in of_kind))}")
        for entry in of_kind:
            click.echo(f"  {_size(entry.size):>9}  {click.format_filename(entry.path.name)}")


@cache.command()
@_KIND
def clear(kinds: tuple[str, ...]) -> None:
    """Delete cached files: views, features, weights, hub, or all.

    \b
    sister-keras cache clear views
    sister-keras cache clear all
    """
    from keras_sister.storage.cache import clear_cache

    if not kinds:
        raise click.UsageError(f"Name what to delete: {', '.join(KINDS)}, or all.")
    entries = clear_cache(tuple(KINDS) if "all" in kinds else tuple(dict.fromkeys(kinds)))
    click.echo(f"Deleted {len(entries)} items, {_size(sum(entry.size for entry in entries))}")


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
