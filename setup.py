"""Package genvision: honest ranges here, exact pins with hashes in requirements.lock."""

from pathlib import Path

from setuptools import find_packages, setup

TOP_LEVEL = ("pipeline", "components", "trainer", "serving")

setup(
    name="genvision",
    version="0.1.0",
    description="TFX and Kubeflow pipeline for image generation and captioning",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11,<3.12",  # kfp 2.16 stops at 3.11; the override wheels exist up to 3.11
    packages=find_packages(include=[p for name in TOP_LEVEL for p in (name, f"{name}.*")]),
    package_data={
        "pipeline": ["configs/*.yaml", "configs/beam/*.yaml"],
        "serving": ["messages.binpb", "compose.yaml", "k8s/**/*"],
        "components": ["schemas/*.pbtxt", "metrics/weights/*", "evaluator/templates/*"],
    },
    install_requires=[
        "apache-beam>=2.77,<2.78",
        "click>=8.1",
        "grpcio>=1.74",
        "grpcio-health-checking>=1.74,<1.81",
        "grpcio-reflection>=1.74,<1.81",  # newer ones ask for protobuf 7, TFX for 6
        "importlib_resources",  # tensorflow-datasets needs it and does not say so
        "jinja2>=3.1",
        "kfp>=2.16.1,<2.17",
        "kfp-kubernetes>=2.16.1,<2.17",
        "matplotlib>=3.9",
        "numpy>=2,<2.5",
        "pillow>=11",
        "prometheus-client>=0.22",
        "pydantic>=2.10,<3",
        "pyyaml>=6",
        "scikit-learn>=1.5",
        "threadpoolctl>=3",
        "tensorboard>=2.20",
        "tensorflow>=2.21,<2.22",
        "tensorflow-datasets>=4.9.9,<5",
        "tensorflow-serving-api>=2.19,<2.20",  # tfx-bsl allows no newer one
        "tfx>=1.21,<1.22",
        "tqdm>=4.67",
    ],
    extras_require={
        "dev": [
            "import-linter>=2.5",
            "kubernetes-validate>=1.33",
            "mypy>=2",
            "pytest>=9",
            "pytest-timeout>=2.4",
            "ruff>=0.17",
            "scipy>=1.14",
            "types-PyYAML",
        ],
        "cuda": ["tensorflow[and-cuda]>=2.21,<2.22"],
    },
    entry_points={"console_scripts": ["genvision=pipeline.cli:main"]},
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
        "Topic :: Scientific/Engineering :: Image Processing",
    ],
)
